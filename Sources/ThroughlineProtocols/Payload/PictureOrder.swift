package import ThroughlineCore

/// What the parameter sets of a flow say together about the order and the timing of its pictures.
package struct PictureOrder: Hashable, Sendable {
    /// The deepest of all sequence parameter sets.
    package let reordering: ReorderDepth
    /// Of the first set that states one.
    package let frameRate: Rate?
    /// Every coded picture is a frame.
    package let isFrameOnly: Bool

    /// Nil when no sequence parameter set can be read.
    package init?(_ sets: ParameterSets, codec: VideoCodec) {
        var reordering: ReorderDepth?
        var frameRate: Rate?
        var isFrameOnly = true
        for unit in sets.sequence {
            let set = unit.withUnsafeBytes { unit in try? SequenceParameterSet(unit: unit, codec: codec) }
            guard let set else { continue }
            reordering = reordering?.joined(with: set.reordering) ?? set.reordering
            frameRate = frameRate ?? set.frameRate
            isFrameOnly = isFrameOnly && set.isFrameOnly
        }
        guard let reordering else { return nil }
        for unit in sets.video where frameRate == nil {
            frameRate = unit.withUnsafeBytes { unit in try? VideoParameterSet(unit: unit) }?.frameRate
        }
        self.reordering = reordering
        self.frameRate = frameRate
        self.isFrameOnly = isFrameOnly
    }
}
