import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

/// Whatever a server sends, the readers of text answer and do not trap: real conversations cut short, with bytes
/// changed, with parts of others put in. `Tests/Fuzzing` does the same for longer.
@Suite struct HostileTextTests {
    private func forEachInput(seed: UInt64, _ body: ([UInt8], inout SeededGenerator) -> Void) throws {
        let real = try ServerTranscript.names.map { try #require(ServerTranscript($0)).bytes }
        var random = SeededGenerator(seed: seed)
        for _ in 0..<3000 {
            // A window, since most of a conversation is the same for every round.
            let whole = real.randomElement(using: &random) ?? []
            let start = Int.random(in: 0...whole.count, using: &random)
            var input = Array(whole[start...].prefix(Int.random(in: 0...300, using: &random)))
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                let place = Int.random(in: 0...input.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0 where place < input.count:
                    input[place] =
                        [0, 0x0A, 0x0D, 0x22, 0x24, 0x2C, 0x3B, 0x3D, 0x80, 0xFF].randomElement(using: &random) ?? 0
                case 1 where place < input.count: input.remove(at: place)
                case 2:
                    let other = real.randomElement(using: &random) ?? []
                    let from = Int.random(in: 0...other.count, using: &random)
                    input.insert(contentsOf: other[from...].prefix(20), at: place)
                default:
                    input.insert(
                        contentsOf: frame(UInt8.random(in: 0...3, using: &random), random.bytes(12)), at: place)
                }
            }
            body(input, &random)
        }
    }

    /// And however it is cut, the same comes out.
    @Test func framer() throws {
        try forEachInput(seed: 11) { input, random in
            func read(_ pieces: Int) -> ([Framed], Int) {
                var framer = RTSPFramer()
                framer.channels = InterleavedChannels(0...1)
                let elements = framer.framed(input, pieces: pieces) + framer.finished()
                return (elements, framer.skippedBytes)
            }
            let whole = read(.max)
            #expect(whole == read(Int.random(in: 1...40, using: &random)))
        }
    }

    @Test func headers() throws {
        try forEachInput(seed: 12) { input, _ in
            let text = String(decoding: input, as: UTF8.self)
            for text in [text, String(text.cut(at: UInt8(ascii: ":")).tail ?? "")] {
                if let written = RTSPTransportHeader(text)?.description {
                    #expect(RTSPTransportHeader(written)?.description == written)
                }
                if let written = RTSPRange(text)?.description { #expect(RTSPRange(written)?.description == written) }
                if let info = RTPInfo(text) {
                    _ = info.entry(forURL: text, control: text, at: 0, of: info.entries.count)
                }
                _ = RTSPSessionHeader(text)
                _ = RTSPNotice(text)
                _ = RTSPChallenge.parse([text])
                let urls = RTSPControlURLs(requestURL: text, contentBase: text, sessionControl: text)
                #expect((1...3).contains(urls.candidates(for: text).count))
            }
        }
    }

    @Test func descriptions() throws {
        try forEachInput(seed: 13) { input, _ in
            guard let session = SessionDescription(parsing: input) else { return }
            let reduced = ReducedDescription(session.media)
            guard !reduced.flows.isEmpty else { return }
            let again = SessionDescription(parsing: reduced.serialized())
            #expect(again?.media.map(\.payloadTypes) == reduced.flows.map { [$0.payloadType] })
        }
    }
}
