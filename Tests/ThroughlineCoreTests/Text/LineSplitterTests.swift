import Testing

@testable import ThroughlineCore

@Suite struct LineSplitterTests {
    @Test func linesAreCutFromBytesAsTheyCome() {
        var splitter = LineSplitter()
        #expect(splitter.take(Array("pau".utf8)) == [])
        #expect(splitter.take(Array("se\r\nseek 1\n\nst".utf8)) == ["pause\r", "seek 1", ""])
        #expect(splitter.end() == "st")
        #expect(splitter.end() == nil)
    }

    @Test func aLineWithoutAnEndTakesNoMemoryAndIsNoCommand() {
        var splitter = LineSplitter()
        _ = splitter.take(Array("pause".utf8))
        for _ in 0..<100 { #expect(splitter.take(repeatElement(UInt8(ascii: " "), count: 10_000)) == []) }
        let lines = splitter.take(Array("x\nstatus\n".utf8))
        #expect(lines.count == 2 && lines[1] == "status")
        #expect(lines[0].hasPrefix("pause ") && lines[0].hasSuffix(" ..."))
        #expect(lines[0].utf8.count == LineSplitter.limit + 3)
    }
}
