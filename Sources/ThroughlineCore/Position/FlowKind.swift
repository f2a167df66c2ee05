/// What a flow carries.
public enum FlowKind: String, Sendable, CaseIterable {
    case video, audio, subtitle, data

    /// Whether a flow of this kind may be silent for long without anything being wrong.
    public var isSparse: Bool { self == .subtitle || self == .data }
}
