internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// The ledger beside the timestamps, over the packets of real files in virtual time; and instead of them.
@Suite(.timeLimit(.minutes(25))) struct RTPReaderLedgerTests {
    /// Sound of a constant rate, without end: the packets of a file again and again, each with its place.
    private struct Sound {
        let fixture: RTPFixture
        let bitsPerSecond: Int64
        private let packets: [RTPFixture.Sent]
        /// 90 kHz.
        private let length: Int64

        init(_ name: String, bitsPerSecond: Int64) throws {
            fixture = try RTPFixture(name)
            self.bitsPerSecond = bitsPerSecond
            packets = Array(fixture.packets.dropLast())
            length = Int64(fixture.packets[packets.count].timestamp &- fixture.packets[0].timestamp)
        }

        /// The packets between two NPTs, each with its own.
        func packets(from start: NPT, to end: NPT) -> [(npt: NPT, bytes: [UInt8])] {
            var result: [(npt: NPT, bytes: [UInt8])] = []
            var turn: Int64 = 0
            while true {
                for packet in packets {
                    let ticks = Int64(packet.timestamp &- fixture.packets[0].timestamp) + turn * length
                    guard let npt = MediaTime(value: ticks, timeBase: TimeBase(1, 90_000)), npt < end else {
                        return result
                    }
                    if npt >= start { result.append((npt, packet.bytes)) }
                }
                turn += 1
            }
        }
    }

    /// A server that plays sound to a reader.
    private struct Server {
        let reader: RTPReader
        private(set) var now = Instant(nanoseconds: 0)
        private(set) var npt = NPT.zero
        /// Whether the data rate stays what it was at other scales.
        var keepsRate = true
        private(set) var packets: [RTPFixture.Whole] = []
        /// Up to where everything was sent.
        private var upTo = NPT.zero
        private var isLeftOut = false
        /// The timestamp of the last PLAY, and its place.
        private var start = RTPTimeline.Start(range: .zero, rtpTime: 5000)

        init(_ sound: Sound) throws {
            let text = "v=0\r\ns=-\r\nm=audio 0 RTP/AVP 14\r\nb=TIAS:\(sound.bitsPerSecond)\r\n"
            let description = try #require(SessionDescription(parsing: Array(text.utf8)))
            reader = try RTPReader(description, media: [0])
            reader.played(at: [start], at: now)
        }

        /// Plays on with another scale, and says so.
        mutating func play(scale: Rate) {
            start = RTPTimeline.Start(range: upTo, scale: scale, rtpTime: timestamp(of: upTo) &+ 77)
            reader.played(at: [start], at: now)
        }

        private func timestamp(of npt: NPT) -> UInt32 {
            let ticks = ((npt - start.range) * (start.scale.inverse ?? .normal)).value(in: TimeBase(1, 90_000))
            return (start.rtpTime ?? 0) &+ UInt32(truncatingIfNeeded: ticks)
        }

        /// Sends sound up to an NPT in its time. Where the data rate stays what it was at another scale than 1, only
        /// fragments of the sound are sent (RFC 2326 section 12.34).
        ///
        /// - Parameter change: what is done to each packet, with the number of the packet.
        mutating func send(
            _ sound: Sound, to end: NPT, change: (inout [UInt8], Int) -> Void = { _, _ in }
        ) {
            var out = UniqueDeque<Packet>()
            defer { upTo = end }
            for (index, (place, bytes)) in sound.packets(from: upTo, to: end).enumerated() {
                isLeftOut.toggle()
                if keepsRate, start.scale == Rate(2), isLeftOut { continue }
                now = now + ((place - npt) * (start.scale.inverse ?? .normal)).duration
                npt = place
                var sent = RTPFixture.Sent(flow: 0, bytes: bytes)
                sent.timestamp = timestamp(of: place)
                change(&sent.bytes, index)
                sent.bytes.withUnsafeBytes { reader.received($0, flow: 0, at: now, into: &out) }
                while let packet = out.popFirst() {
                    packets.append(
                        RTPFixture.Whole(
                            pts: packet.pts, dts: packet.dts, duration: packet.duration, isKey: packet.isKey,
                            fingerprint: packet.fingerprint(form: reader.form(of: 0)), place: nil))
                }
            }
        }

        /// How far the accounts are apart.
        var drift: MediaTime? { reader.accounts(of: 0, at: now)?.drift?.magnitude }
    }

    /// A minute with two changes of the bandwidth, which carry no position, and one of the scale.
    ///
    /// - Parameters:
    ///   - isTold: whether the reader hears of the changes; where it does not, the accounts must go apart.
    ///   - keepsRate: whether the server keeps its data rate at other scales, or sends everything faster.
    @Test(arguments: [(true, true), (true, false), (false, true)])
    func ledgerAndTimestampsAgree(isTold: Bool, keepsRate: Bool) throws {
        let rich = try Sound("audio.mp3", bitsPerSecond: 40_000)
        let poor = try Sound("audio-other.mp3", bitsPerSecond: 32_000)
        var server = try Server(rich)
        server.keepsRate = keepsRate
        var worst = MediaTime.zero
        func check() throws {
            let drift = try #require(server.drift)
            let bound = server.npt * Rate(1, 100) + .milliseconds(100)
            // Which of the two it does shows after two seconds.
            let isOpen = !keepsRate && (.seconds(34)...(.seconds(38))).contains(server.npt)
            if isTold, !isOpen { #expect(drift <= bound, "\(drift) at \(server.npt)") }
            worst = max(worst, drift)
        }
        func adjust(to sound: Sound) {
            guard isTold else { return }
            server.reader.adjusted(
                Adjustment(bandwidth: .media(bitsPerSecond: sound.bitsPerSecond)), at: server.now)
        }
        for second in stride(from: 2, through: 20, by: 2) as StrideThrough<Int64> {
            server.send(rich, to: .seconds(second))
            try check()
        }
        adjust(to: poor)
        for second in stride(from: 22, through: 34, by: 2) as StrideThrough<Int64> {
            server.send(poor, to: .seconds(second))
            try check()
        }
        if isTold { server.play(scale: Rate(2)) }
        // Scale takes effect with a PLAY, which declares what the description does.
        adjust(to: poor)
        for second in stride(from: 36, through: 48, by: 2) as StrideThrough<Int64> {
            server.send(poor, to: .seconds(second))
            try check()
        }
        adjust(to: rich)
        for second in stride(from: 50, through: 60, by: 2) as StrideThrough<Int64> {
            server.send(rich, to: .seconds(second))
            try check()
        }
        #expect(server.reader.accounts(of: 0, at: server.now)?.position.basis == .timestamps)
        if !isTold { #expect(worst > .seconds(2)) }
        let findings = server.reader.takeFindings().compactMap { $0.finding.told?.subject }
        // What the description says of the bandwidth is a guess: that the media have another is no news.
        #expect(findings.isEmpty)
    }

    enum Fault: CaseIterable, Sendable {
        case frozen, random, frozenFromTheStart, randomFromTheStart

        var begin: Int {
            switch self {
            case .frozen, .random: 12
            case .frozenFromTheStart, .randomFromTheStart: 0
            }
        }
        var isFrozen: Bool { self == .frozen || self == .frozenFromTheStart }
    }

    /// What cannot be placed by its timestamps is counted: every frame stands where it would have, and the ledger says
    /// where the flow is.
    @Test(arguments: Fault.allCases) func soundWithoutTimestampsIsCounted(_ fault: Fault) throws {
        let sound = try Sound("audio.mp3", bitsPerSecond: 40_000)
        var (server, truth) = (try Server(sound), try Server(sound))
        var dice = SystemRandomNumberGenerator()
        var last: UInt32 = 424_242
        server.send(sound, to: .seconds(20)) { bytes, index in
            var sent = RTPFixture.Sent(flow: 0, bytes: bytes)
            if index >= fault.begin {
                sent.timestamp = fault.isFrozen ? last : .random(in: .min ... .max, using: &dice)
            }
            last = sent.timestamp
            bytes = sent.bytes
        }
        truth.send(sound, to: .seconds(20))
        #expect(server.packets.map(\.fingerprint) == truth.packets.map(\.fingerprint))
        let tick = try #require(MediaTime(value: 2, timeBase: TimeBase(1, 90_000)))
        for (mine, its) in zip(server.packets, truth.packets) {
            let (pts, right) = (try #require(mine.pts), try #require(its.pts))
            #expect((pts - right).magnitude <= tick)
        }
        let accounts = try #require(server.reader.accounts(of: 0, at: server.now))
        #expect(accounts.position.basis == .ledger)
        let end = try #require(truth.reader.position(of: 0, at: truth.now)?.npt)
        #expect((accounts.position.npt - end).magnitude <= .milliseconds(300))
        #expect((accounts.position.npt - end).magnitude <= accounts.position.uncertainty)
        #expect(server.reader.takeFindings().contains { $0.finding.told?.subject == .noTimestamps })
    }

    /// Contributing sources, a header extension, padding and packets that come twice gain nothing.
    @Test func overheadIsNoPayload() throws {
        let sound = try Sound("audio.mp3", bitsPerSecond: 40_000)
        var (plain, laden) = (try Server(sound), try Server(sound))
        plain.send(sound, to: .seconds(10))
        laden.send(sound, to: .seconds(10)) { bytes, index in
            // Two contributing sources, an extension of two words, and 8 bytes of padding.
            var packet = Array(bytes[..<12])
            packet[0] |= 0x32
            packet += [1, 2, 3, 4, 5, 6, 7, 8] + [0xBE, 0xDE, 0, 2] + [UInt8](repeating: 9, count: 8)
            packet += bytes[12...] + [0, 0, 0, 0, 0, 0, 0, 8]
            bytes = packet
        }
        for _ in 0..<100 { laden.reader.repeated(flow: 0, byteCount: 1400) }
        let (expected, found) = (
            plain.reader.accounts(of: 0, at: plain.now), laden.reader.accounts(of: 0, at: laden.now)
        )
        #expect(found == expected)
        #expect(try #require(found?.byLedger) > .seconds(9))
    }

    /// However the payload is cut up, with fragmentation headers, aggregation headers or none, it is the same.
    @Test(arguments: ["main.mp4", "hevc.mp4"]) func payloadHeadersAreNoPayload(_ name: String) throws {
        let whole = try RTPFixture(name, packetSize: 1400)
        let cut = try RTPFixture(name, packetSize: 300)
        #expect(cut.packets.count > whole.packets.count)
        func accounts(_ fixture: RTPFixture) throws -> [NPT?] {
            var fixture = fixture
            fixture.description = fixture.description.split(separator: "\r\n", omittingEmptySubsequences: false)
                .map { $0.hasPrefix("m=") ? "\($0)\r\nb=AS:100" : String($0) }.joined(separator: "\r\n")
            let reading = try RTPReading(fixture)
            return fixture.formats.indices.map { flow in
                // The muxer keeps the last frames of sound for a packet that is not full.
                guard fixture.formats[flow].kind == .video else {
                    return reading.packets[flow].count > 400 ? .zero : nil
                }
                return reading.reader.accounts(of: flow, at: Instant(nanoseconds: 0))?.byLedger
            }
        }
        let (a, b) = (try accounts(whole), try accounts(cut))
        #expect(a == b)
        #expect(!a.contains(nil))
    }

    /// The headers of AAC in RTP (RFC 3640): 100 frames of 4 bytes at 800 bit/s are 4 s.
    @Test func headersOfAccessUnitsAreNoPayload() throws {
        let text =
            "v=0\r\ns=-\r\nm=audio 0 RTP/AVP 97\r\nb=TIAS:800\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\n"
            + "a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\r\n"
        let description = try #require(SessionDescription(parsing: Array(text.utf8)))
        let reader = try RTPReader(description, media: [0])
        reader.played(at: [.init(range: .zero, rtpTime: 0)], at: Instant(nanoseconds: 0))
        var out = UniqueDeque<Packet>()
        for index in 0..<100 {
            var sent = RTPFixture.Sent(
                flow: 0,
                bytes: [0x80, 0xE1, 0, UInt8(index)] + [UInt8](repeating: 0, count: 8) + [0, 16, 0, 32, 1, 2, 3, 4])
            sent.timestamp = UInt32(index * 1024)
            sent.bytes.withUnsafeBytes {
                reader.received($0, flow: 0, at: Instant(nanoseconds: Int64(index) * 21_333_333), into: &out)
            }
        }
        reader.end(at: Instant(nanoseconds: 3_000_000_000), into: &out)
        #expect(reader.accounts(of: 0, at: Instant(nanoseconds: 3_000_000_000))?.byLedger == .seconds(4))
    }

    /// Units of KLV, one of them in three packets and one that lacks its middle (RFC 6597).
    @Test func dataIsPutTogether() throws {
        let text = "v=0\r\ns=-\r\nm=application 0 RTP/AVP 98\r\na=rtpmap:98 smpte336m/90000\r\n"
        let description = try #require(SessionDescription(parsing: Array(text.utf8)))
        let reader = try RTPReader(description, media: [0])
        #expect(reader.flows.map(\.codecName) == ["klv"])
        #expect(reader.flows.map(\.kind) == [.data])
        reader.played(at: [.init(range: .seconds(2), rtpTime: 0)], at: Instant(nanoseconds: 0))
        var out = UniqueDeque<Packet>()
        var found: [(NPT?, Int)] = []
        // Timestamp, marker, bytes, lost before.
        let sent: [(UInt32, UInt8, Int, Int)] = [
            (0, 0x80, 10, 0), (45_000, 0, 20, 0), (45_000, 0, 20, 0), (45_000, 0x80, 5, 0), (90_000, 0, 20, 0),
            (90_000, 0x80, 5, 1), (135_000, 0x80, 7, 0),
        ]
        for (index, (timestamp, marker, count, lost)) in sent.enumerated() {
            var packet = RTPFixture.Sent(
                flow: 0,
                bytes: [0x80, marker | 98, 0, UInt8(index)] + [UInt8](repeating: 0, count: 8)
                    + [UInt8](repeating: 6, count: count))
            packet.timestamp = timestamp
            packet.bytes.withUnsafeBytes {
                reader.received($0, flow: 0, lostBefore: lost, at: Instant(nanoseconds: 0), into: &out)
            }
            while let packet = out.popFirst() { found.append((packet.pts, packet.byteCount)) }
        }
        #expect(found.map(\.0) == [.seconds(2), .milliseconds(2500), .milliseconds(3500)])
        #expect(found.map(\.1) == [10, 45, 7])
        #expect(reader.losses(of: 0).units == 1)
    }
}
