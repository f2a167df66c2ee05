/// A set of interleaved channels, 0 to 255.
package struct InterleavedChannels: Hashable, Sendable {
    private var words = SIMD4<UInt64>()

    package init() {}

    package init(_ channels: some Sequence<UInt8>) {
        for channel in channels { insert(channel) }
    }

    package var isEmpty: Bool { words == SIMD4() }

    @inline(__always)
    package func contains(_ channel: UInt8) -> Bool {
        words[Int(channel >> 6)] & (1 << UInt64(channel & 63)) != 0
    }

    package mutating func insert(_ channel: UInt8) {
        words[Int(channel >> 6)] |= 1 << UInt64(channel & 63)
    }
}
