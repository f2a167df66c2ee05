// Compiled into the module under test by `Tests/Fuzzing/run`, and so without an import of it.

import Glibc
import ThroughlineCore

private typealias Target = @Sendable (UnsafeRawBufferPointer) -> Void

private let targets: [String: Target] = [
    "framer": fuzzFramer, "headers": fuzzHeaders, "sdp": fuzzDescription, "positions": fuzzPositions,
    "authentication": fuzzAuthentication, "rtp": fuzzRTP, "rtcp": fuzzRTCP, "userdata": fuzzUserData,
    "id3": fuzzID3, "audio": fuzzPackedAudio, "splice": fuzzSplice, "transport": fuzzTransport,
    "playlist": fuzzPlaylist,
]

private let target: Target = {
    let name = getenv("THROUGHLINE_FUZZ").map { String(cString: $0) } ?? ""
    guard let target = targets[name] else {
        fatalError("THROUGHLINE_FUZZ must be one of \(targets.keys.sorted().joined(separator: ", "))")
    }
    return target
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target(UnsafeRawBufferPointer(start: start, count: count))
    return 0
}

/// A precondition that says why also in an optimised build.
private func check(_ isTrue: Bool, _ message: @autoclosure () -> String = "", line: UInt = #line) {
    if !isTrue { fatalError("line \(line): \(message())") }
}

// MARK: Targets

private enum Piece: Equatable {
    case message(RTSPMessage)
    case frame(UInt8, [UInt8])

    init(_ element: RTSPFramer.Element) {
        switch element {
        case .message(let message): self = .message(message)
        case .frame(let channel, let payload): self = .frame(channel, [UInt8](payload))
        }
    }
}

/// However the bytes are cut, the same elements come out, every byte is accounted for, and messages survive writing.
private func fuzzFramer(_ bytes: UnsafeRawBufferPointer) {
    guard let seed = bytes.first else { return }
    let stream = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    func pieces(of size: Int) -> ([Piece], Int, Int) {
        var limits = RTSPFramer.Limits()
        limits.head = 2048
        limits.body = 4096
        var framer = RTSPFramer(limits: limits)
        if seed & 1 == 0 { framer.channels = InterleavedChannels(0...3) }
        var pieces: [Piece] = []
        var rest = stream[...]
        while !rest.isEmpty {
            let piece = rest.prefix(size)
            framer.feed(UnsafeRawBufferPointer(rebasing: piece)) { pieces.append(Piece($0)) }
            check(framer.pendingBytes <= 2048 + 4096 + (64 << 10) + size)
            rest = rest[piece.endIndex...]
        }
        framer.finish { pieces.append(Piece($0)) }
        check(framer.pendingBytes == 0)
        return (pieces, framer.skippedBytes, framer.losses)
    }
    let whole = pieces(of: max(1, stream.count))
    let cut = pieces(of: 1 + Int(seed >> 1) % 40)
    check(whole == cut, "the cut matters: \(whole) and \(cut)")
    for case .message(let message) in whole.0 {
        guard let again = RTSPMessage(parsing: message.serialized()) else { fatalError("not read back: \(message)") }
        check(again.body == message.body)
        _ = (message.headers.cseq, message.headers.methods, message.headers.contentType)
    }
}

/// Every value of a header, with every reader; what is written is read back to the same text.
private func forEachValue(_ bytes: UnsafeRawBufferPointer, _ body: (String) -> Void) {
    for line in bytes.split(separator: 0x0A, maxSplits: 256) {
        let text = String(decoding: line, as: UTF8.self)
        body(text)
        if let value = text.cut(at: UInt8(ascii: ":")).tail { body(String(value)) }
    }
}

private func fuzzHeaders(_ bytes: UnsafeRawBufferPointer) {
    forEachValue(bytes) { value in
        if let header = RTSPTransportHeader(value) {
            let text = header.description
            guard let again = RTSPTransportHeader(text) else { fatalError("not read back: \(text)") }
            check(again.description == text, "\(again) is not \(text)")
        }
        if let session = RTSPSessionHeader(value) { check((1...86_400).contains(session.timeout ?? 60)) }
        if let number = Rate(decimal: value) {
            // Written with six places at the most: what was cut off is gone from the second time on.
            let again = Rate(decimal: number.description)
            check(again.map { "\($0)" } == "\(number)", "\(number)")
        }
        _ = RTSPNotice(value)
        var headers = RTSPHeaders()
        for name: RTSPHeaders.Name in [.retryAfter, .date, .scale, .speed, .bandwidth, .location, .notifyReason] {
            headers.add(name, value)
        }
        _ = (headers.scale, headers.speed, headers.bandwidth, headers.location, headers.notifyReason)
        if let wait = headers.retryAfter { check(wait >= .zero && wait <= .seconds(86_400)) }
        headers.set(.date, "Fri, 02 Apr 2021 14:55:49 GMT")
        if let wait = headers.retryAfter { check(wait >= .zero && wait <= .seconds(86_400)) }
    }
}

private func fuzzDescription(_ bytes: UnsafeRawBufferPointer) {
    guard let session = SessionDescription(parsing: [UInt8](bytes)) else { return }
    _ = (session.range, session.bitsPerSecond)
    let urls = session.controlURLs(requestURL: session.name ?? "rtsp://a/b?c", headers: RTSPHeaders())
    for medium in session.media {
        check((1...3).contains(urls.candidates(for: medium.control).count))
        _ = (medium.range, medium.frameRate, medium.direction, medium.bitsPerSecond, session.address(of: medium))
    }
    let reduced = ReducedDescription(session.media)
    check(Set(reduced.flows.map(\.payloadType)).count == reduced.flows.count)
    guard !reduced.flows.isEmpty else { return }
    let again = SessionDescription(parsing: reduced.serialized())
    check(again?.media.count == reduced.flows.count)
    for (flow, medium) in zip(reduced.flows, again?.media ?? []) {
        check(medium.payloadTypes == [flow.payloadType])
        // An encoding may hold control characters, which do not survive.
        if flow.map.encoding.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 }) {
            check(medium.preferredMap?.clockRateHz == flow.map.clockRateHz)
        }
    }
}

private func fuzzPositions(_ bytes: UnsafeRawBufferPointer) {
    forEachValue(bytes) { value in
        if let range = RTSPRange(value) {
            let text = range.description
            guard let again = RTSPRange(text) else { fatalError("not read back: \(text)") }
            check(again.description == text, "\(again) is not \(text)")
            if range.unit == .npt || range.unit == .clock {
                check(again.startTime == range.startTime && again.endTime == range.endTime)
            }
        }
        if let info = RTPInfo(value) {
            for (index, entry) in info.entries.enumerated() {
                _ = info.entry(
                    forURL: entry.url ?? "rtsp://a/b", control: entry.url, at: index, of: info.entries.count)
            }
        }
        let base = URLReference("rtsp://a/b/c?d")
        let url = URLReference(value).resolved(against: base)
        check(url.scheme != nil && url.authority != nil)
        _ = url.normalized
        let urls = RTSPControlURLs(requestURL: value, contentBase: value, sessionControl: value)
        check((1...3).contains(urls.candidates(for: value).count))
    }
}

private func fuzzAuthentication(_ bytes: UnsafeRawBufferPointer) {
    let lines = bytes.split(separator: 0x0A, maxSplits: 64).map { String(decoding: $0, as: UTF8.self) }
    let challenges =
        RTSPChallenge.parse(lines) + RTSPChallenge.parse(lines.compactMap { $0.cut(at: 0x3A).tail.map(String.init) })
    check(challenges.count <= 32)
    guard let best = RTSPChallenge.strongest(of: challenges, supporting: [.md5, .sha256]) else { return }
    var authorizer = RTSPAuthorizer(challenge: best, user: best.realm, password: "x")
    for _ in 0..<2 {
        let text = authorizer.authorization(method: .play, uri: best.realm, clientNonce: "c") { _, bytes in
            String(bytes.count, radix: 16)
        }
        check(text.hasPrefix("Basic ") || text.hasPrefix("Digest "))
    }
}
