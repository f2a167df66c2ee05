internal import Testing

@testable internal import Throughline

@Suite struct ByteWindowTests {
    private func bytes(_ range: Range<Int64>) -> [UInt8] {
        range.map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    @Test(arguments: [1, 7, 64, 100, 250]) func theLastBytesAreKept(piece: Int64) {
        var window = ByteWindow(capacity: 100, at: 40)
        var end: Int64 = 40
        while end < 1000 {
            bytes(end..<end + piece).withUnsafeBytes { window.append($0) }
            end += piece
            #expect(window.end == end)
            let start = max(40, end - 100)
            #expect(window.start == start)
            var found = [UInt8](repeating: 0, count: 130)
            for offset in start..<end {
                let count = found.withUnsafeMutableBytes { window.copy(from: offset, into: $0) }
                #expect(Array(found[..<count]) == bytes(offset..<end))
            }
            #expect(found.withUnsafeMutableBytes { window.copy(from: start - 1, into: $0) } == 0)
            #expect(found.withUnsafeMutableBytes { window.copy(from: end, into: $0) } == 0)
        }
        window.restart(at: 5)
        #expect((window.start, window.end) == (5, 5))
    }
}
