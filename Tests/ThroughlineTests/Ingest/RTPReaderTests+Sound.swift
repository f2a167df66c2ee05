internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// Times of sound.
@Suite(.timeLimit(.minutes(25))) struct RTPReaderSoundTests {
    private static func reader(_ medium: String) throws -> RTPReader {
        let description = try #require(SessionDescription(parsing: Array("v=0\r\ns=-\r\n\(medium)".utf8)))
        let reader = try RTPReader(description, media: [0])
        reader.played(at: [.init(range: .seconds(1), rtpTime: 1000)], at: Instant(nanoseconds: 0))
        return reader
    }

    private static func packet(_ sequence: UInt16, _ timestamp: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let time = (0..<4).map { UInt8(truncatingIfNeeded: timestamp >> (24 - 8 * UInt32($0))) }
        return [0x80, 0x80 | 97, UInt8(sequence >> 8), UInt8(truncatingIfNeeded: sequence)] + time + [0, 0, 0, 1]
            + payload
    }

    private static func times(_ reader: RTPReader, _ packets: [(UInt32, [UInt8])]) -> [(MediaTime?, MediaTime)] {
        var out = UniqueDeque<Packet>()
        for (index, packet) in packets.enumerated() {
            Self.packet(UInt16(index), packet.0, packet.1).withUnsafeBytes {
                reader.received($0, flow: 0, at: Instant(nanoseconds: 0), into: &out)
            }
        }
        reader.end(at: Instant(nanoseconds: 0), into: &out)
        var times: [(MediaTime?, MediaTime)] = []
        while let packet = out.popFirst() { times.append((packet.pts, packet.duration)) }
        return times
    }

    /// 20 ms, two of 60 ms, three of 2.5 ms, by the first bytes (RFC 6716 section 3.1).
    @Test func opusPacketsAreAsLongAsTheySay() throws {
        let reader = try Self.reader("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n")
        #expect(reader.flows.map(\.codecName) == ["opus"])
        let times = Self.times(
            reader,
            [(1000, [0x78, 1, 2]), (1960, [0x19, 1, 2, 3]), (7720, [0x83, 3, 1, 2, 3]), (8080, [0x78, 9])])
        #expect(
            times.map(\.1)
                == [20, 120, 0, 20].enumerated().map {
                    $0 == 2 ? MediaTime(value: 360, timeBase: TimeBase(1, 48_000))! : .milliseconds($1)
                })
        #expect(
            times.map(\.0)
                == [0, 960, 6720, 7080].map { .seconds(1) + MediaTime(value: $0, timeBase: TimeBase(1, 48_000))! })
    }

    /// Rounded to 1023 and 1025 ticks: the frames follow each other exactly. A hole stays one.
    @Test func roundedTimestampsAreStraightened() throws {
        let reader = try Self.reader(
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\n"
                + "a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\r\n")
        let frame: [UInt8] = [0, 16, 0, 4 << 3, 1, 2, 3, 4]
        let ticks: [UInt32] = [0, 1023, 2048, 3073, 4096, 9216, 10_241, 11_267]
        let times = Self.times(reader, ticks.map { (1000 + $0, frame) })
        let expected: [Int64] = [0, 1024, 2048, 3072, 4096, 9216, 10_240, 11_267]
        let unit = TimeBase(1, 48_000)
        #expect(times.map(\.0) == expected.map { .seconds(1) + MediaTime(value: $0, timeBase: unit)! })
        #expect(times.allSatisfy { $0.1 == MediaTime(value: 1024, timeBase: unit)! })
    }

    /// At a sample rate that the clock of the timestamps does not divide, nothing adds up either.
    @Test func framesOfAnotherRateThanTheClockAreExact() throws {
        let fixture = try RTPFixture("audio.mp3")
        let reading = try RTPReading(fixture)
        #expect(reading.reader.flows[0].codecName == "mp3")
        let frame = MediaTime(value: 1152, timeBase: TimeBase(1, 44_100))!
        for (index, packet) in reading.packets[0].enumerated() {
            let exact = MediaTime(value: 1152 * Int64(index), timeBase: TimeBase(1, 44_100))!
            #expect(packet.duration == frame && (packet.pts! - exact).magnitude <= MediaTime(flicks: 1))
        }
        #expect(reading.packets[0].count > 440)
    }

    /// A frame of MPEG audio over three packets (RFC 2250 section 3.5), and one of which the middle is lost.
    @Test func aFrameInFragmentsIsPutTogether() throws {
        let fixture = try RTPFixture("audio.mp3")
        let first = Array(fixture.packets[0].bytes[16...])
        let header = try #require(first.withUnsafeBytes { MPEGAudioHeader($0) })
        let frame = Array(first.prefix(header.frameLength))
        func fragment(_ range: Range<Int>) -> [UInt8] { [0, 0, 0, UInt8(range.lowerBound)] + frame[range] }
        let parts = [fragment(0..<50), fragment(50..<90), fragment(90..<frame.count)]
        let reader = try Self.reader("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPA/90000\r\n")
        let whole = Self.times(reader, parts.map { (1000, $0) } + [(3351, [0, 0, 0, 0] + frame)])
        #expect(whole.map(\.0) == [.seconds(1), .seconds(1) + whole[0].1])
        // The bytes that are missing in the middle are as many as those that come twice.
        let torn = try Self.reader("m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPA/90000\r\n")
        let wrong: [UInt8] = [0, 0, 0, 90] + frame[50...]
        #expect(Self.times(torn, [(1000, parts[0]), (1000, wrong), (3351, [0, 0, 0, 0] + frame)]).count == 1)
    }
}
