/// Estimates how many of the bytes that were received no media was made of yet.
///
/// A demuxer may have to read a whole fragment before it gives what comes first, or all of a large picture; those bytes are
/// still to become media. What a container adds (headers, padding: a third of a transport stream of few bits) never will,
/// and must not add up.
package struct UnpackedBytes: Sendable {
    /// Bytes over which it is learned what a container adds.
    private static let window = 32 * 1024

    /// Received since nothing was waiting or the last window ended, and media made of it.
    private var received = 0
    private var made = 0
    /// Media was made of the last bytes.
    private var isMaking = false
    /// So many bytes of media are made of `window` bytes, where the container is read in order: what was made of a window when
    /// most of it was, since then the least was waiting.
    private var yield = window
    private var bestYield = 0

    package init() {}

    /// Now.
    package private(set) var count = 0

    /// - Parameters:
    ///   - bytes: that came.
    ///   - unpacked: how many of them no media was made of, less those of before of which it was now.
    ///   - inOrder: media is made of bytes in their order, as they come: never much is waiting, and what was made of what
    ///     came before tells what will be. Otherwise of a fragment one flow may lie behind another, and some of it is made
    ///     while most still waits.
    package mutating func received(_ bytes: Int, unpacked: Int, inOrder: Bool) {
        let bytes = min(max(0, bytes), 1 << 40)
        let media = min(max(0, bytes - max(-(1 << 40), min(unpacked, 1 << 40))), 1 << 41)
        if inOrder {
            received += bytes
            made += media
            count = max(0, mediaIn(received) - made)
            if received >= Self.window / 4, media > 0 {
                let most = Int64(min(made, received))
                bestYield = max(bestYield, Int(most.scaled(by: Int64(Self.window), over: Int64(received)) ?? 0))
            }
            guard received >= Self.window else { return }
            yield = max(Self.window / 8, bestYield)
            // What waits now is all that is taken along.
            (received, made, bestYield) = (min(bytesFor(max(0, mediaIn(received) - made)), Self.window / 2), 0, 0)
        } else {
            // Media was made, and bytes come again: the fragment has been used up, but for what its container adds.
            if bytes > 0, isMaking, count <= received / 4 { (received, made) = (0, 0) }
            received += bytes
            made = min(made + media, received)
            count = received - made
            if media > 0 || bytes > 0 { isMaking = media > 0 }
        }
    }

    private func mediaIn(_ bytes: Int) -> Int {
        Int(clamping: Int64(bytes).scaled(by: Int64(yield), over: Int64(Self.window)) ?? .max)
    }

    private func bytesFor(_ media: Int) -> Int {
        Int(clamping: Int64(media).scaled(by: Int64(Self.window), over: Int64(yield)) ?? .max)
    }

    /// What comes has nothing to do with what came; the container is the same.
    package mutating func restart() { (received, made, count, bestYield, isMaking) = (0, 0, 0, 0, false) }
}
