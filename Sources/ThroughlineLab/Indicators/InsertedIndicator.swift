public import ThroughlineCore
internal import ThroughlineProtocols

/// An indicator that the lab writes into the media that it serves, so that players find it there.
///
///     let file = try ServedFile(
///         path: "film.ts", inserting: [InsertedIndicator(parsing: "sei,to=http://127.0.0.1:8002/film.ts,at=6@npt=4")])
public struct InsertedIndicator: Sendable, Hashable {
    public var kind: Indicator.Kind
    /// Where it stands in the stream.
    public var carrier: NPT
    /// What `sei` and `id3` ask for: `move`, `stay`, `end` or `withdraw`.
    public var action = Indicator.Action.move
    /// Where `sei` and `id3` send the player: a URL.
    public var target: String?
    /// Where it takes effect; nil for at once. The splice time of `scte-35`.
    public var position: NPT?
    public var event: UInt32 = 1
    /// `id3` in words (TXXX) and not in binary (PRIV).
    public var isText = false
    /// `scte-35` as time_signal and not as splice_insert.
    public var isSignal = false
    /// The splice goes back to the network, and not out of it.
    public var isReturn = false
    /// How long the break lasts that a splice goes out for; it then returns by itself.
    public var breakLength: MediaTime?
    /// With `ts-program` all flows get other PIDs; otherwise the map has another version and says the same.
    public var movesFlows = false
    /// How far the clock jumps at a `ts-discontinuity`.
    public var jump: MediaTime = .seconds(3600)

    public init(_ kind: Indicator.Kind, carrier: NPT) {
        self.kind = kind
        self.carrier = carrier
    }
}

/// A text that is no indicator.
public struct IndicatorSyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
    public let text: String
    public let problem: String

    public var description: String { "\"\(text)\" is no indicator: \(problem)" }
}

extension InsertedIndicator {
    /// An indicator as text, beside the text of ``Fault``: what, options behind commas, and where it stands.
    ///
    ///     indicator = kind *("," option) "@npt=" seconds
    ///     kind      = "sei" / "id3" / "scte-35" / "ts-discontinuity" / "ts-program"
    ///     option    = "to=" URL / "at=" seconds / "event=" number      ; sei, id3; the last two also scte-35
    ///               / "stay" / "end" / "withdraw"                      ; sei, id3: instead of a move
    ///               / "text"                                           ; id3: TXXX instead of PRIV
    ///               / "signal" / "return" / "for=" seconds             ; scte-35: time_signal; back; length of the break
    ///               / "jump=" seconds                                  ; ts-discontinuity
    ///               / "pids"                                           ; ts-program: all flows get other PIDs
    ///
    /// | text | meaning |
    /// | --- | --- |
    /// | `sei,to=http://b.example/film.ts,at=6@npt=4` | in the first picture from 4 s on: go there from 6 s on |
    /// | `id3,at=6@npt=4` | at 4 s: go wherever you like from 6 s on |
    /// | `scte-35,at=6,for=2@npt=4` | at 4 s: a break from 6 s to 8 s |
    /// | `ts-discontinuity@npt=6` | the clock begins anew |
    ///
    /// - Throws: ``IndicatorSyntaxError``.
    public init(parsing text: String) throws(IndicatorSyntaxError) {
        func problem(_ text: String, _ problem: String) -> IndicatorSyntaxError {
            IndicatorSyntaxError(text: text, problem: problem)
        }
        func seconds(_ value: Substring?) throws(IndicatorSyntaxError) -> NPT {
            guard let time = value.flatMap({ NPT(decimalSeconds: $0) }), time >= .zero else {
                throw problem(text, "'\(value ?? "")' is no time in seconds, like 4.5")
            }
            return time
        }
        let halves = text.split(separator: "@", omittingEmptySubsequences: false)
        guard halves.count == 2, halves[1].hasPrefix("npt=") else {
            throw problem(text, "say where it stands, like sei,at=6@npt=4")
        }
        var words = halves[0].split(separator: ",", omittingEmptySubsequences: false)
        let name = words.removeFirst()
        guard let kind = Indicator.Kind(rawValue: String(name)) else {
            let kinds = Indicator.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw problem(text, "'\(name)' is not one of \(kinds)")
        }
        self.init(kind, carrier: try seconds(halves[1].dropFirst("npt=".count)))
        let isOwn = kind == .userData || kind == .timedMetadata
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1] : nil
            switch (String(parts[0]), value) {
            case ("to", let url?) where isOwn: target = String(url)
            case ("at", _) where isOwn || kind == .splice: position = try seconds(value)
            case ("event", let number?) where isOwn || kind == .splice:
                guard let number = UInt32(number) else { throw problem(text, "'\(number)' is no event number") }
                event = number
            case ("stay", nil) where isOwn: action = .stay
            case ("end", nil) where isOwn: action = .end
            case ("withdraw", nil) where isOwn: action = .withdraw
            case ("text", nil) where kind == .timedMetadata: isText = true
            case ("signal", nil) where kind == .splice: isSignal = true
            case ("return", nil) where kind == .splice: isReturn = true
            case ("for", _) where kind == .splice: breakLength = try seconds(value)
            case ("pids", nil) where kind == .programChange: movesFlows = true
            case ("jump", _) where kind == .discontinuity: jump = try seconds(value)
            default: throw problem(text, "'\(word)' does not go with \(name)")
            }
        }
        if isOwn, message == nil { throw problem(text, "its target is no URL of at most 2048 bytes") }
    }

    /// What `sei` and `id3` carry; nil where it cannot be said.
    var message: IndicatorMessage? {
        let action: IndicatorMessage.Action =
            switch action {
            case .move, .change: .move
            case .stay: .stay
            case .end: .end
            case .withdraw: .withdraw
            }
        return IndicatorMessage(
            action: action, event: event, position: position.map { .npt($0) } ?? .atOnce, target: target)
    }

    /// - Parameter tag: nil when it is too large.
    var tag: [UInt8]? { message.flatMap { (isText ? ID3Tag(text: $0) : ID3Tag($0)).bytes } }

    /// - Parameter ticks: the clock at an NPT.
    func section(_ ticks: (NPT) -> UInt64) -> [UInt8]? {
        let time = position.map(ticks)
        if isSignal {
            let segment = SegmentationDescriptor.Segment(
                kind: isReturn ? .providerPlacementEnd : .providerPlacementStart,
                ticks: breakLength.map { UInt64(clamping: $0.value(in: TimeBase(1, 90_000))) })
            return SpliceInfoSection(
                command: .timeSignal(ticks: time),
                descriptors: [.segmentation(SegmentationDescriptor(event: event, segment: segment))]
            ).bytes
        }
        let splice = SpliceInsert.Splice(
            isOut: !isReturn, place: time.map { .program(ticks: $0) } ?? .immediate,
            duration: breakLength.map {
                SpliceInsert.Break(returns: true, ticks: UInt64(clamping: $0.value(in: TimeBase(1, 90_000))))
            })
        return SpliceInfoSection(command: .insert(SpliceInsert(event: event, splice: splice))).bytes
    }
}
