package import ThroughlineCore

/// What a server says to Throughline inside the stream: Throughline's own indicator, carried in the user data of
/// pictures (`UserDataMessage`) or in timed ID3 (`ID3Tag`).
///
/// In binary, all numbers big-endian:
///
/// | bytes | what |
/// | --- | --- |
/// | 1 | version: 1 |
/// | 1 | action: 1 move, 2 stay, 3 end, 4 withdraw |
/// | 4 | event number, the same in all repetitions of one announcement |
/// | 1 | position: 0 at once, 1 NPT in flicks (1/705 600 000 s), 2 clock of the stream (33 bits of 90 kHz) |
/// | 8 | value of the position; 0 for at once |
/// | 2 | bytes of the target, 0 to 2048 |
/// | n | target: a URL in UTF-8, without spaces and control characters |
///
/// What follows is left for later; readers skip it. A message of another version is none. A message may be repeated as
/// it is; who wants another one in its place withdraws it first.
///
/// As text, for tags that people write: words in any order, parted by spaces. `v` and `action` are required, the other
/// words are not; unknown words are passed over. Without `npt` (seconds) and `pts` (90 kHz) it takes effect at once.
///
///     v=1 action=move event=7 npt=83.500 target=https://b.example/live.ts
package struct IndicatorMessage: Hashable, Sendable {
    package static let version: UInt8 = 1
    /// The longest target, in bytes of UTF-8.
    package static let longestTarget = 2048

    package enum Action: UInt8, Hashable, Sendable, CaseIterable {
        /// Go elsewhere: to the target, or wherever the client likes.
        case move = 1
        /// The content changes; stay.
        case stay = 2
        /// The presentation ends.
        case end = 3
        /// The announcement with this event number is void.
        case withdraw = 4
    }

    package let action: Action
    package let event: UInt32
    package let position: Indicator.Position
    package let target: String?

    /// Nil for what cannot be said: a negative NPT, a clock of more than 33 bits, a target that is empty, too long, or
    /// holds spaces or control characters.
    package init?(action: Action, event: UInt32, position: Indicator.Position = .atOnce, target: String? = nil) {
        switch position {
        case .atOnce: break
        case .npt(let npt): guard npt >= .zero else { return nil }
        case .clock(let ticks): guard ticks < StreamClock.turn else { return nil }
        }
        if let target {
            guard (1...Self.longestTarget).contains(target.utf8.count),
                target.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
            else { return nil }
        }
        self.action = action
        self.event = event
        self.position = position
        self.target = target
    }

    package func indicator(_ kind: Indicator.Kind) -> Indicator {
        let meaning: Indicator.Action =
            switch action {
            case .move: .move
            case .stay: .stay
            case .end: .end
            case .withdraw: .withdraw
            }
        return Indicator(
            kind: kind, action: meaning, position: position, target: target, event: event,
            detail: "\(meaning.rawValue), event \(event)")
    }
}

// MARK: Binary

extension IndicatorMessage {
    private static let (atOnce, npt, clock): (UInt8, UInt8, UInt8) = (0, 1, 2)

    /// Nil for another version, an unknown action or position, and whatever is cut short or cannot be said.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        do throws(BitstreamError) {
            var reader = ByteReader(bytes)
            guard try reader.byte() == Self.version, let action = Action(rawValue: try reader.byte()) else {
                return nil
            }
            let event = UInt32(truncatingIfNeeded: try reader.number(4))
            let kind = try reader.byte()
            let value = try reader.number(8)
            let position: Indicator.Position
            switch kind {
            case Self.atOnce: position = .atOnce
            case Self.npt: position = .npt(NPT(flicks: Int64(bitPattern: value)))
            case Self.clock: position = .clock(value)
            default: return nil
            }
            let length = Int(try reader.number(2))
            let text = try reader.take(length)
            guard let target = String(validating: text, as: UTF8.self) else { return nil }
            self.init(action: action, event: event, position: position, target: length == 0 ? nil : target)
        } catch {
            return nil
        }
    }

    /// 17 bytes and the target.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = [Self.version, action.rawValue]
        bytes.append(bigEndian: UInt64(event), count: 4)
        switch position {
        case .atOnce:
            bytes.append(Self.atOnce)
            bytes.append(bigEndian: 0, count: 8)
        case .npt(let npt):
            bytes.append(Self.npt)
            bytes.append(bigEndian: UInt64(bitPattern: npt.flicks), count: 8)
        case .clock(let ticks):
            bytes.append(Self.clock)
            bytes.append(bigEndian: ticks, count: 8)
        }
        let target = Array((target ?? "").utf8)
        bytes.append(bigEndian: UInt64(target.count), count: 2)
        return bytes + target
    }
}

// MARK: Text

extension IndicatorMessage {
    /// More words than this are not looked at.
    private static let mostWords = 16

    /// Nil without version 1 and a known action, with a value that cannot be read, and with two positions.
    package init?(text: some StringProtocol) {
        guard text.utf8.count <= Self.longestTarget + 256 else { return nil }
        var words: [String: Substring] = [:]
        let parts = Substring(text).utf8.split(
            maxSplits: Self.mostWords, omittingEmptySubsequences: true, whereSeparator: \.isSpace)
        for part in parts.prefix(Self.mostWords) {
            let (name, value) = Substring(part).cut(at: UInt8(ascii: "="))
            // Of a word that is there twice the first counts.
            if let value, words[name.asciiLowercased] == nil { words[name.asciiLowercased] = value }
        }
        guard words["v"]?.decimal == Int64(Self.version),
            let action = words["action"].flatMap({ word in Action.allCases.first { word == $0.word } })
        else { return nil }
        let event = words["event"].map { $0.decimal.flatMap(UInt32.init(exactly:)) } ?? 0
        guard let event else { return nil }
        let position: Indicator.Position
        switch (words["npt"], words["pts"]) {
        case (nil, nil): position = .atOnce
        case (let npt?, nil):
            guard let time = NPT(decimalSeconds: npt) else { return nil }
            position = .npt(time)
        case (nil, let pts?):
            guard let ticks = pts.decimal.flatMap(UInt64.init(exactly:)) else { return nil }
            position = .clock(ticks)
        default: return nil
        }
        self.init(action: action, event: event, position: position, target: words["target"].map(String.init))
    }

    /// Read back as the same message.
    package var text: String {
        var text = "v=\(Self.version) action=\(action.word) event=\(event)"
        switch position {
        case .atOnce: break
        case .npt(let npt): text += " npt=\(npt.decimalSeconds)"
        case .clock(let ticks): text += " pts=\(ticks)"
        }
        if let target { text += " target=\(target)" }
        return text
    }
}

extension IndicatorMessage.Action {
    fileprivate var word: String {
        switch self {
        case .move: "move"
        case .stay: "stay"
        case .end: "end"
        case .withdraw: "withdraw"
        }
    }
}
