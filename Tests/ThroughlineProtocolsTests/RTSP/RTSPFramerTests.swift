import Testing

@testable import ThroughlineProtocols

@Suite struct RTSPFramerTests {
    private func framer(_ channels: ClosedRange<UInt8>? = 0...1) -> RTSPFramer {
        var framer = RTSPFramer()
        if let channels { framer.channels = InterleavedChannels(channels) }
        return framer
    }

    private static let packet = [UInt8](repeating: 0x80, count: 20)
    private static let conversation: [UInt8] =
        wire("RTSP/1.0 200 OK\nCSeq: 3\nContent-Length: 10\n\nv=0\ns=-\n") + frame(0, packet)
        + frame(1, packet + packet) + wire("\n\nANNOUNCE rtsp://a/b RTSP/1.0\nCSeq: 1\n\n") + frame(0, [])
        + frame(0, packet)

    private static let expected = [
        "200 body 10", "$0 20", "$1 40", "ANNOUNCE rtsp://a/b body 0", "$0 0", "$0 20",
    ]

    /// However the bytes are cut, the same comes out.
    @Test(arguments: [1, 2, 3, 4, 5, 7, 16, 61, 1000])
    func survivesEverySplit(pieces: Int) {
        var framer = framer()
        #expect(framer.framed(Self.conversation, pieces: pieces).map(\.description) == Self.expected)
        #expect(framer.skippedBytes == 0 && framer.losses == 0 && framer.pendingBytes == 0)
    }

    @Test func survivesOneSplitAnywhere() {
        let bytes = Self.conversation
        var whole = framer()
        let expected = whole.framed(bytes)
        for place in 1..<bytes.count {
            var framer = framer()
            #expect(framer.framed(Array(bytes[..<place])) + framer.framed(Array(bytes[place...])) == expected)
            #expect(framer.skippedBytes == 0 && framer.pendingBytes == 0)
        }
    }

    /// A frame that is whole in what was fed is not copied.
    @Test func givesFramesWhereTheyLie() {
        var framer = framer()
        let bytes = frame(0, Self.packet) + frame(1, Self.packet)
        bytes.withUnsafeBytes { bytes in
            var seen = 0
            framer.feed(bytes) { element in
                guard case .frame(let channel, let payload) = element else { return }
                #expect(payload.baseAddress == bytes.baseAddress.map { $0 + 4 + Int(channel) * 24 })
                seen += 1
            }
            #expect(seen == 2)
        }
    }

    @Test(
        arguments: [
            // The frame takes what is missing from the next one, as nothing tells where it was cut.
            (
                "lost bytes", frame(0, packet)[..<19] + frame(0, packet) + frame(1, packet) + frame(0, packet),
                ["$0 20", "$1 20", "$0 20"]
            ),
            (
                "bytes too many", frame(0, packet) + [0, 0, 9] + frame(1, packet) + frame(0, packet),
                ["$0 20", "$1 20", "$0 20"]
            ),
            (
                "a dollar in the garbage", [0, 0x24, 0, 0x24, 0, 0, 9] + frame(1, packet) + frame(0, packet),
                ["$1 20", "$0 20"]
            ),
            ("a message after garbage", [0xFF, 0x41] + wire("RTSP/1.0 200 OK\nCSeq: 2\n\n"), ["200 body 0"]),
            ("a request after garbage", [0xFF] + wire("xx ANNOUNCE * RTSP/1.0\n\n"), ["ANNOUNCE * body 0"]),
            (
                "a body nobody announced", wire("RTSP/1.0 200 OK\n\nv=0\ns=-\nRTSP/1.0 404 No\n\n"),
                ["200 body 0", "404 body 0"]
            ),
        ] as [(String, [UInt8], [String])])
    func findsItsStepAgain(name: String, bytes: [UInt8], expected: [String]) {
        for pieces in [1, 3, 1000] {
            var framer = framer()
            let got = framer.framed(bytes, pieces: pieces).map(\.description) + framer.finished().map(\.description)
            #expect(got == expected, "\(name)")
            #expect(framer.skippedBytes > 0 && framer.losses == 1 && framer.pendingBytes == 0)
        }
    }

    /// A frame on a channel that was not agreed counts when something believable follows.
    @Test func judgesUnknownChannels() {
        var framer = framer()
        #expect(framer.framed(frame(7, Self.packet)).isEmpty)
        #expect(framer.framed(frame(0, Self.packet)).map(\.description) == ["$7 20", "$0 20"])
        #expect(framer.framed(frame(7, Self.packet) + [1, 2, 3, 4, 5]).isEmpty)
        #expect(framer.losses == 1)
    }

    @Test(arguments: [
        (
            "announced and not sent", "RTSP/1.0 200 OK\nContent-Length: 40\n\nRTSP/1.0 404 No\n\n",
            ["200 body 0", "404 body 0"]
        ),
        ("LF only, indented, lower case", "\n\nrtsp/1.0 200\n CSeq : 4\n\n", ["200 body 0"]),
        (
            "too short by the last line end", "RTSP/1.0 200 OK\nContent-Length: 5\n\nv=0\n\nRTSP/1.0 404 No\n\n",
            ["200 body 5", "404 body 0"]
        ),
        (
            "not measured", "RTSP/1.0 200 OK\nContent-Type: application/sdp\n\nv=0\ns=-\nRTSP/1.0 404 No\n\n",
            ["200 body 10", "404 body 0"]
        ),
        ("a web server", "HTTP/1.1 400 Bad Request\nContent-Length: 2\n\nno", ["400 body 2"]),
    ])
    func bearsOddBodies(name: String, text: String, expected: [String]) {
        for pieces in [1, 3, 1000] {
            var framer = framer()
            let bytes = name.hasPrefix("LF") ? Array(text.utf8) : wire(text)
            #expect(framer.framed(bytes, pieces: pieces).map(\.description) == expected, "\(name)")
            #expect(framer.skippedBytes == 0)
        }
    }

    @Test func endsAHeadBeforeAFrame() {
        var framer = framer()
        let bytes = wire("RTSP/1.0 200 OK\nCSeq: 1\n") + frame(0, Self.packet)
        #expect(framer.framed(bytes).map(\.description) == ["200 body 0", "$0 20"])
    }

    @Test func givesWhatThereIsAtTheEnd() {
        var framer = framer()
        #expect(framer.framed(wire("RTSP/1.0 200 OK\nContent-Length: 40\n\nv=0\n")).isEmpty)
        #expect(framer.finished().map(\.description) == ["200 body 5"])
        #expect(framer.framed(Array(frame(0, Self.packet)[..<23])).isEmpty)
        #expect(framer.finished().isEmpty)
        #expect(framer.skippedBytes == 23)
        #expect(framer.framed(wire("RTSP/1.0 200 OK\nCSeq: 12\n")).isEmpty)
        #expect(framer.finished().map(\.description) == ["200 body 0"])
        #expect(framer.framed(wire("RTSP/1.0 200 OK\nCSeq: 1")).isEmpty)
        #expect(framer.finished().isEmpty)
    }

    @Test func isBounded() {
        var limits = RTSPFramer.Limits()
        limits.head = 100
        limits.body = 50
        var framer = RTSPFramer(limits: limits)
        let long = wire("RTSP/1.0 200 OK\nServer: \(String(repeating: "x", count: 200))\n\n")
        let large = wire("RTSP/1.0 200 OK\nContent-Length: 51\n\n" + String(repeating: "-", count: 51))
        let endless = [UInt8](repeating: UInt8(ascii: "A"), count: 1000)
        for bytes in [long, large, endless] {
            #expect(framer.framed(bytes, pieces: 10).isEmpty)
            #expect(framer.pendingBytes <= 100)
            #expect(framer.framed(wire("\nRTSP/1.0 201 Yes\n\n")).map(\.description) == ["201 body 0"])
        }
        #expect(framer.losses == 3)
    }

    private struct Enough: Error {}

    /// What follows the element that the callee threw at is not lost.
    @Test(arguments: [1, 5, 1000]) func keepsTheRestWhenStopped(pieces: Int) {
        var framer = framer()
        var seen: [String] = []
        func stopAtMessages(_ element: RTSPFramer.Element) throws(Enough) {
            seen.append(Framed(element).description)
            if case .message = element { throw Enough() }
        }
        var rest = Self.conversation[...]
        while !rest.isEmpty {
            Array(rest.prefix(pieces)).withUnsafeBytes { bytes in
                try? framer.feed(bytes, stopAtMessages)
            }
            rest = rest.dropFirst(pieces)
        }
        while seen.count < Self.expected.count, framer.pendingBytes > 0 { try? framer.finish(stopAtMessages) }
        #expect(seen == Self.expected)
    }
}
