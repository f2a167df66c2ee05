public import ThroughlineCore
internal import ThroughlineMedia

/// Which flows of a stream are played.
///
///     configuration.flows = .kinds([.video, .audio])
///     configuration.flows = .only([FlowSelector(.video), FlowSelector(.audio, language: "de"), FlowSelector(index: 5)])
///
/// Numbers and indices count the flows of the origin that the stream begins with. What an origin carries that goes on later
/// is matched with those flows, whatever its own order.
public struct FlowSelection: Sendable, Hashable {
    /// Nil for all.
    let selectors: [FlowSelector]?

    public static let all = FlowSelection(selectors: nil)

    /// Flows of these kinds only, at least one.
    public static func kinds(_ kinds: [FlowKind]) -> FlowSelection { only(kinds.map { FlowSelector($0) }) }

    /// Flows that at least one of these selects.
    public static func only(_ selectors: [FlowSelector]) -> FlowSelection { FlowSelection(selectors: selectors) }

    /// By flow, whether it is played.
    func makeOut(_ flows: [FlowFormat]) -> [Bool] {
        guard let selectors else { return flows.map { _ in true } }
        return flows.map { flow in
            let number = flows.count { $0.kind == flow.kind && $0.index <= flow.index }
            return selectors.contains {
                $0.selects(flow.kind, language: flow.language, number: number, index: flow.index)
            }
        }
    }
}

/// Selects flows by what they carry, or by their place; what is nil selects any.
public struct FlowSelector: Sendable, Hashable {
    public var kind: FlowKind?
    /// As in RFC 5646 or ISO 639-2: `de` and `deu` are the same.
    public var language: String?
    /// Among those of its kind, from 1.
    public var number: Int?
    /// Among all flows, from 0, as in events and reports.
    public var index: Int?

    public init(_ kind: FlowKind? = nil, language: String? = nil, number: Int? = nil, index: Int? = nil) {
        (self.kind, self.language, self.number, self.index) = (kind, language, number, index)
    }

    func selects(_ kind: FlowKind, language: String?, number: Int, index: Int) -> Bool {
        if let wanted = self.kind, wanted != kind { return false }
        if let wanted = self.number, wanted != number { return false }
        if let wanted = self.index, wanted != index { return false }
        guard let wanted = self.language else { return true }
        func name(_ language: String?) -> String { language.flatMap { LanguageTag.threeLetters($0) } ?? "und" }
        return name(wanted) == name(language)
    }
}

extension FlowSelector {
    /// As on a command line: `audio`, `audio:2` (the second), `audio:de` (in German), `5` (the flow with that index).
    ///
    /// - Returns: nil for anything else.
    public init?(words: some StringProtocol) {
        let parts = words.split(separator: ":", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2 else { return nil }
        if parts.count == 1, let index = Self.number(first) {
            self.init(index: index)
            return
        }
        guard let kind = FlowKind(rawValue: String(first)) else { return nil }
        guard parts.count == 2 else {
            self.init(kind)
            return
        }
        if let number = Self.number(parts[1]) {
            guard number > 0 else { return nil }
            self.init(kind, number: number)
        } else {
            guard let language = LanguageTag.threeLetters(String(parts[1])) else { return nil }
            self.init(kind, language: language)
        }
    }

    private static func number(_ text: some StringProtocol) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 4, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }
}
