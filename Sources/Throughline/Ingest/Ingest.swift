internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// A demuxer over the bytes of one origin. One-shot: opened, read to its end or its failure, thrown away. Used on one
/// thread.
final class Ingest {
    let origin: OriginID
    let input: SourceInput
    let demuxer: Demuxer
    /// How each flow carries its payload, known from its first packet on.
    private var forms: [PayloadForm?]
    /// Errors of the container in a row.
    private var errorsInARow = 0
    /// So many are read over: demuxers find their way again after damaged bytes.
    private static let errorLimit = 64

    /// Connects, and finds the flows.
    ///
    /// - Parameters:
    ///   - expected: the flows as they are known from another ingest; reading then begins somewhere else than at the
    ///     start.
    /// - Throws: the reason why the origin cannot be played, as the handoff controller takes it.
    init(
        origin: OriginID, supervisor: any SourceSupervisor, abort: AbortSwitch, silence: SilenceWatcher,
        isPaced: Bool, expected: [FlowFormat] = []
    ) throws(OpenError) {
        self.origin = origin
        let url = redacted(supervisor.origin(origin).url)
        do throws(TransportError) {
            input = try SourceInput(
                origin: origin, supervisor: supervisor, abort: abort, silence: silence, prefetches: !isPaced)
        } catch { throw OpenError(.undelivered(ChangeEvent(error)), isAborted: error.code == .aborted) }
        if input.length == 0 { throw OpenError(.refused(.notMedia, "\(url): the object is empty (0 bytes)")) }
        var options = Demuxer.Options()
        options.seeksAtOnce = !expected.isEmpty
        options.expected = expected
        if !isPaced { options.readSize = 32 * 1024 }
        do throws(MediaError) {
            demuxer = try Demuxer(input: input, options: options)
        } catch {
            if abort.isAborted {
                throw OpenError(.undelivered(ChangeEvent(cause: .other, detail: "")), isAborted: true)
            }
            if let event = input.openingFailure { throw OpenError(.undelivered(event)) }
            let type = input.contentType.map { " (the server calls it \($0))" } ?? ""
            throw OpenError(.refused(.notMedia, "\(url)\(type): \(error)"))
        }
        forms = Array(repeating: nil, count: demuxer.flows.count)
    }

    struct OpenError: Error {
        let failure: HandoffController.AttemptFailure
        let isAborted: Bool
        init(_ failure: HandoffController.AttemptFailure, isAborted: Bool = false) {
            self.failure = failure
            self.isAborted = isAborted
        }
    }

    enum ReadError: Error {
        /// The container is broken beyond what can be read over.
        case broken(MediaError)
    }

    /// The next packet; nil at the end of the bytes or when the input has failed.
    func read() throws(ReadError) -> Packet? {
        while true {
            do throws(MediaError) {
                guard let packet = try demuxer.read() else { return nil }
                errorsInARow = 0
                while forms.count < demuxer.flows.count { forms.append(nil) }
                if forms[packet.flow] == nil {
                    forms[packet.flow] = demuxer.flows[packet.flow].payloadForm(firstPacket: packet)
                }
                return packet
            } catch {
                errorsInARow += 1
                if errorsInARow > Self.errorLimit { throw .broken(error) }
            }
        }
    }

    /// How a flow carries its payload, once a packet of it was read.
    func form(of flow: Int) -> PayloadForm { forms[flow] ?? .opaque }
}

/// The URL without what may be secret: its user and password, and its query.
func redacted(_ url: String) -> String {
    let bare = withoutCredentials(url)
    guard bare.contains("://"), let query = bare.firstIndex(of: "?") else { return bare }
    return bare[..<query] + "?..."
}

private func withoutCredentials(_ url: String) -> String {
    guard let scheme = url.range(of: "://") else { return url }
    let rest = url[scheme.upperBound...]
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    guard let at = authority.lastIndex(of: "@") else { return url }
    return url[..<scheme.upperBound] + "***@" + rest[rest.index(after: at)...]
}

extension StringProtocol {
    /// The first place where `other` stands.
    fileprivate func range(of other: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(other) { return start..<index(start, offsetBy: other.count) }
            start = index(after: start)
        }
        return nil
    }
}
