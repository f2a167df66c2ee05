internal import Glibc
internal import Testing
internal import ThroughlineCore

/// What is kept of the bytes that were read is what they were, and as much as is needed.
@Suite struct ByteProofTests {
    /// The byte at an offset of an object that has no two places alike.
    static func byte(_ offset: Int64) -> UInt8 {
        var random = SeededGenerator(seed: UInt64(offset / 8))
        return UInt8(truncatingIfNeeded: random.next() >> (UInt64(offset % 8) * 8))
    }

    static let object: [UInt8] = (0..<400_000).map { byte(Int64($0)) }

    static func isTrue(_ piece: ByteProof.Piece) -> Bool {
        object.withUnsafeBytes { object in
            piece.bytes.withUnsafeBytes {
                $0.isEmpty || memcmp($0.baseAddress!, object.baseAddress! + Int(piece.offset), $0.count) == 0
            }
        }
    }

    @Test func nothingReadNothingProven() {
        let proof = ByteProof()
        let (adjacent, others) = proof.evidence(before: 0)
        #expect(adjacent.offset == 0 && adjacent.bytes.isEmpty)
        #expect(others.isEmpty)
    }

    @Test(arguments: [333, 1000, 4096, 65_535, 65_536, 65_537, 131_072, 300_000])
    func readingOnKeepsTheLastBytes(_ size: Int) {
        var proof = ByteProof()
        var offset = 0
        while offset + size <= Self.object.count {
            Self.object.withUnsafeBytes {
                proof.read(UnsafeRawBufferPointer(rebasing: $0[offset..<offset + size]), at: Int64(offset))
            }
            offset += size
            guard offset % 7 == 0 || offset > 380_000 || size > 40_000 else { continue }
            let (adjacent, others) = proof.evidence(before: Int64(offset))
            #expect(adjacent.end == Int64(offset))
            #expect(adjacent.bytes.count == min(offset, ByteProof.required))
            #expect(Self.isTrue(adjacent))
            #expect(others.isEmpty)
        }
    }

    @Test func earlierPiecesHelpOutAfterASeek() {
        var proof = ByteProof()
        func read(_ range: Range<Int>) {
            Self.object.withUnsafeBytes {
                proof.read(UnsafeRawBufferPointer(rebasing: $0[range]), at: Int64(range.lowerBound))
            }
        }
        read(0..<40_000)
        read(300_000..<330_000)
        read(100_000..<110_000)
        let (adjacent, others) = proof.evidence(before: 110_000)
        #expect(adjacent.offset == 100_000 && adjacent.bytes.count == 10_000)
        #expect(others.map(\.offset) == [300_000, 40_000 - 25_536], "the last read first, the end of each piece")
        #expect(([adjacent] + others).map(\.bytes.count).reduce(0, +) == ByteProof.required)
        #expect(others.allSatisfy(Self.isTrue))
        // The reader went back to where it was before: those bytes are next to it now.
        let before = proof.evidence(before: 330_000)
        #expect(before.adjacent.offset == 300_000)
        #expect(before.others.map(\.end) == [110_000, 40_000])
        let nowhere = proof.evidence(before: 77)
        #expect(nowhere.adjacent.bytes.isEmpty && nowhere.adjacent.offset == 77)
        #expect(nowhere.others.map(\.bytes.count).reduce(0, +) == ByteProof.required)
    }

    @Test(arguments: 0..<16 as Range<UInt64>)
    func evidenceIsWhatWasRead(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var proof = ByteProof()
        var position = 0
        var total = 0
        var sizes: [Int] = []
        let sizeLimit = [500, 5000, 40_000, 150_000].randomElement(using: &random)!
        for _ in 0..<100 {
            if random.chance(6) { position = Int.random(in: 0..<Self.object.count, using: &random) }
            let size = min(Int.random(in: 0...sizeLimit, using: &random), Self.object.count - position)
            Self.object.withUnsafeBytes {
                proof.read(UnsafeRawBufferPointer(rebasing: $0[position..<position + size]), at: Int64(position))
            }
            position += size
            total += size
            sizes.append(size)
            let place = random.chance(5) ? Int.random(in: 0...Self.object.count, using: &random) : position
            let (adjacent, others) = proof.evidence(before: Int64(place))
            #expect(adjacent.end == Int64(place))
            #expect(Self.isTrue(adjacent))
            #expect(others.allSatisfy { Self.isTrue($0) && !$0.bytes.isEmpty })
            let sum = ([adjacent] + others).map(\.bytes.count).reduce(0, +)
            #expect(sum <= ByteProof.required)
            // What was read in the last sixteen reads is never thrown away before there is enough.
            #expect(sum >= min(ByteProof.required, sizes.suffix(16).reduce(0, +)))
            if place == position, size > 0 { #expect(adjacent.bytes.count >= min(size, ByteProof.required)) }
        }
    }

    @Test func piecesAreCut() {
        var proof = ByteProof()
        (Array(0..<10) as [UInt8]).withUnsafeBytes { proof.read($0, at: 10) }
        let piece = proof.evidence(before: 20).adjacent
        #expect(piece.suffix(3).offset == 17 && piece.suffix(3).bytes == [7, 8, 9])
        #expect(piece.suffix(50).offset == 10 && piece.suffix(50).bytes.count == 10)
        #expect(piece.dropFirst(4).offset == 14 && piece.dropFirst(4).bytes == Array(4..<10))
        #expect(piece.dropFirst(99).offset == 20 && piece.dropFirst(99).bytes.isEmpty)
    }

    @Test("Of media, a little proves the object", arguments: [300, 5000, 100_000])
    func shortProof(_ read: Int) {
        var proof = ByteProof()
        Self.object.withUnsafeBytes { proof.read(UnsafeRawBufferPointer(rebasing: $0[..<read]), at: 0) }
        let (adjacent, others) = proof.proof(before: Int64(read))
        #expect(adjacent.end == Int64(read) && others.isEmpty && Self.isTrue(adjacent))
        #expect(adjacent.bytes.count == min(read, ByteProof.short * 7 / 8))
    }

    @Test("Padding proves nothing: what came before it is compared, too")
    func padding() {
        var proof = ByteProof()
        Self.object.withUnsafeBytes { proof.read(UnsafeRawBufferPointer(rebasing: $0[..<20_000]), at: 0) }
        [UInt8](repeating: 0xff, count: 9000).withUnsafeBytes { proof.read($0, at: 20_000) }
        let (adjacent, others) = proof.proof(before: 29_000)
        #expect(others.isEmpty && adjacent.end == 29_000)
        #expect(adjacent.bytes.count > 9000 + ByteProof.short * 3 / 4 && adjacent.bytes.count < 9000 + ByteProof.short)
        // Where a stretch is nothing else, other places help out.
        var apart = ByteProof()
        Self.object.withUnsafeBytes { apart.read(UnsafeRawBufferPointer(rebasing: $0[..<20_000]), at: 0) }
        [UInt8](repeating: 0, count: 2000).withUnsafeBytes { apart.read($0, at: 300_000) }
        let (zeros, before) = apart.proof(before: 302_000)
        #expect(zeros.bytes.count == 2000 && before.map(\.end) == [20_000])
        #expect(before.allSatisfy { $0.bytes.count < ByteProof.short && Self.isTrue($0) })
    }
}
