/// How many pictures may precede a picture in decoding and follow it in presentation.
package enum ReorderDepth: Hashable, Sendable {
    /// The order of decoding is that of presentation, and nothing can make it another: sound, profiles without B
    /// pictures, picture order that is not coded.
    case none
    /// The stream says so; 0 to 16. Streams are known to say too little.
    case stated(Int)
    /// The stream does not say. The decoder's memory holds no more than these.
    case unstated(atMost: Int)

    /// More than the decoder can hold is never needed: H.264 section A.3.1, H.265 section A.4.2.
    package static let greatest = 16

    /// What is assumed of a stream that does not say: B pictures of which some are referred to by others. Most streams
    /// that do not say have none; to assume the bound would cost them up to 16 pictures of lead.
    static let assumed = 2

    /// The depth to begin with, 0 to 16.
    package var initial: Int {
        switch self {
        case .none: 0
        case .stated(let depth): max(0, min(depth, Self.greatest))
        case .unstated(let bound): max(0, min(bound, Self.assumed))
        }
    }

    /// Of two parameter sets of one flow the one that asks for more.
    package func joined(with other: ReorderDepth) -> ReorderDepth {
        switch (self, other) {
        case (.none, let known), (let known, .none): known
        case (.stated(let a), .stated(let b)): .stated(max(a, b))
        case (.unstated(let a), .unstated(let b)): .unstated(atMost: max(a, b))
        case (.stated(let a), .unstated(let b)), (.unstated(let b), .stated(let a)):
            a > min(b, Self.assumed) ? .stated(a) : .unstated(atMost: b)
        }
    }
}
