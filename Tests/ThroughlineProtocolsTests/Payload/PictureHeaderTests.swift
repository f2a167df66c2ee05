internal import Testing
internal import ThroughlineProtocols

/// The first bytes of key pictures of 320x184 as encoders write them (H.263: of a size of its own kind).
@Suite struct PictureHeaderTests {
    private func header(_ text: String, _ codec: PictureHeader.Codec) -> PictureHeader {
        bytes(text).withUnsafeBytes { PictureHeader($0, codec: codec) }
    }

    private func bytes(_ text: String) -> [UInt8] {
        let digits = text.filter { $0 != " " }
        return stride(from: 0, to: digits.count, by: 2).compactMap { offset in
            let start = digits.index(digits.startIndex, offsetBy: offset)
            return UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16)
        }
    }

    static let keys: [(PictureHeader.Codec, String, Int, Int)] = [
        (.mjpeg, "FFD8FFE000044142FFC000110800B8014003012200021100031100", 320, 184),
        (.mpeg2video, "000001B31400B813FFFFE018000001B5148A00010000000001B80008004000000100000FFFF8", 320, 184),
        (.mpeg1video, "000001B31400B813FFFFE018000001B80008004000000100000FFFF8", 320, 184),
        (
            .mpeg4,
            "000001B001000001B58913000001000000012000C48D8800CD0A04171443000001B24C61766335392E33372E313030000001B3001007000001B610606D82",
            320, 184
        ),
        (.h263, "000080020C041E73E80C0070", 352, 288),
        (.h263, "000080021CE821001093E2E4801A00BC", 320, 184),
        (.vp8, "3064009D012A4001B8000007", 320, 184),
        (.vp9, "824983420013F00B76043824", 320, 184),
        (.vp9, "A249834200027E016EC08704", 320, 184),
    ]

    @Test("the size and the kind of a picture are read from its first bytes", arguments: keys)
    func key(codec: PictureHeader.Codec, text: String, width: Int, height: Int) {
        let found = header(text, codec)
        #expect(found.size == .init(width: width, height: height))
        #expect(found.isKey)
    }

    @Test("what is cut off anywhere says nothing wrong, and reads nothing beyond its end", arguments: keys)
    func cut(codec: PictureHeader.Codec, text: String, width: Int, height: Int) {
        let whole = bytes(text)
        for count in 0..<whole.count {
            let size = Array(whole[..<count]).withUnsafeBytes { PictureHeader($0, codec: codec).size }
            #expect(size == nil || size == .init(width: width, height: height))
        }
    }

    @Test("a picture between key frames has no size of its own")
    func between() {
        #expect(header("000001B6 50 00", .mpeg4) == header("000001B6 50", .mpeg4))
        #expect(!header("000001B6 50 00", .mpeg4).isKey)
        #expect(header("11 02 00 9D 01 2A 40 01 B8 00", .vp8).size == nil)
    }
}
