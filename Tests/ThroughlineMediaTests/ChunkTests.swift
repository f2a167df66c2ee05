internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

extension MediaTests {
    /// How the network cuts the bytes into pieces changes nothing.
    @Suite struct ChunkTests {
        /// Pieces as a busy network delivers them.
        private final class Pieces: ByteInput {
            let whole: MemoryInput
            var random: UInt64
            let most: Int
            init(_ bytes: [UInt8], seed: UInt64, most: Int) {
                whole = MemoryInput(bytes)
                random = seed &* 0x9E37_79B9_7F4A_7C15 | 1
                self.most = most
            }
            func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult {
                random ^= random << 13
                random ^= random >> 7
                random ^= random << 17
                whole.chunk = 1 + Int(random >> 1) % most
                return whole.read(into: buffer)
            }
            func seek(to offset: Int64) -> Bool { whole.seek(to: offset) }
            var length: Int64? { whole.length }
            let isSeekable = true
        }

        @Test(
            arguments: ["main.ts", "main.mkv", "main-fragmented.mp4", "main.mp4", "hevc.ts", "offset.ts"],
            ["main.mp4", "main.ts"])
        func joinsAreTheSame(_ name: String, expecting other: String) throws {
            let bytes = try Fixture.bytes(name)
            let expected = try Demuxer.opening(other).flows
            func look(_ input: any ByteInput) throws -> [PacketRecord] {
                var options = Demuxer.Options()
                options.expected = expected
                options.seeksAtOnce = true
                let demuxer = try Demuxer(input: input, options: options)
                var all: [PacketRecord] = []
                for place in [2000, 300, 0] as [Int64] {
                    try demuxer.seek(to: .milliseconds(place), anyPacket: place > 0)
                    all += demuxer.records(limit: 60)
                }
                return all
            }
            let whole = try look(MemoryInput(bytes))
            for seed in 1...40 as ClosedRange<UInt64> {
                let most = [200, 1500, 9000, 70_000][Int(seed % 4)]
                let pieces = try look(Pieces(bytes, seed: seed, most: most))
                #expect(pieces == whole, "seed \(seed)")
                if pieces != whole { break }
            }
        }
    }
}
