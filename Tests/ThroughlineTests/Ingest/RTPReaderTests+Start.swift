internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// Where the first packets after PLAY stand.
@Suite(.timeLimit(.minutes(25))) struct RTPReaderStartTests {
    /// What GStreamer sends after a seek to a place between two key frames: all before it under one timestamp.
    private static func clamped(_ fixture: RTPFixture, to start: MediaTime) -> [RTPFixture.Sent] {
        fixture.packets.map { sent in
            var sent = sent
            let least =
                fixture.zero[sent.flow]
                &+ UInt32(truncatingIfNeeded: start.value(in: TimeBase(1, fixture.clocks[sent.flow])))
            if Int32(bitPattern: sent.timestamp &- least) < 0 { sent.timestamp = least }
            return sent
        }
    }

    @Test(arguments: [("main.mp4", 1400), ("hevc.mp4", 500)] as [(String, Int32)])
    func whatStandsBeforeTheStartHasNoTimes(_ name: String, packetSize: Int32) throws {
        let fixture = try RTPFixture(name, packetSize: packetSize)
        let start = MediaTime.milliseconds(1330)
        let reading = try RTPReading(fixture, packets: Self.clamped(fixture, to: start), starts: fixture.starts(start))
        let whole = try RTPReading(fixture)
        for flow in fixture.formats.indices {
            let (ours, truth) = (reading.packets[flow], whole.packets[flow])
            #expect(ours.map(\.fingerprint) == truth.map(\.fingerprint))
            let tick = try #require(MediaTime(value: 2, timeBase: TimeBase(1, fixture.clocks[flow])))
            var last: MediaTime?
            for (mine, its) in zip(ours, truth) {
                let time = try #require(its.pts)
                // Sound comes in packets of several frames, of which the first has the timestamp.
                guard let pts = mine.pts, let dts = mine.dts else {
                    #expect(mine.pts == nil && mine.dts == nil)
                    #expect(time < start + (fixture.formats[flow].kind == .video ? .zero : .milliseconds(400)))
                    continue
                }
                #expect((pts - time).magnitude <= tick)
                #expect(pts >= start - tick)
                if let last { #expect(dts > last) }
                last = dts
            }
            let early = truth.count { $0.pts! < start }
            #expect(abs(ours.count { $0.pts == nil } - early) <= (fixture.formats[flow].kind == .video ? 1 : 10))
            #expect(ours.count { $0.pts != nil } > 250)
        }
    }

    /// Nothing is clamped but one frame of sound, which the start cuts in two.
    @Test func theFrameThatTheStartCutsStandsWhereItBegan() throws {
        let fixture = try RTPFixture("main.mp4", kinds: [.audio], packetSize: 300)
        let whole = try RTPReading(fixture)
        for flow in fixture.formats.indices {
            let own = fixture.packets.filter { $0.flow == flow }
            let first = try #require(whole.packets[flow].first { $0.pts! > .seconds(3) })
            let place = try #require(whole.packets[flow].firstIndex(of: first))
            let stamps = try #require(first.pts).value(in: TimeBase(1, fixture.clocks[flow]))
            let begin = try #require(
                own.firstIndex { $0.timestamp == fixture.zero[flow] &+ UInt32(truncatingIfNeeded: stamps) })
            var sent = Array(own[begin...])
            sent[0].timestamp &+= 300
            let start = try #require(first.pts) + MediaTime(value: 300, timeBase: TimeBase(1, fixture.clocks[flow]))!
            let reading = try RTPReading(fixture, packets: sent, starts: fixture.starts(start))
            let tick = try #require(MediaTime(value: 2, timeBase: TimeBase(1, fixture.clocks[flow])))
            let times = zip(reading.packets[flow], whole.packets[flow][place...])
            #expect(times.allSatisfy { ($0.pts! - $1.pts!).magnitude <= tick })
            #expect(times.allSatisfy { $0.fingerprint == $1.fingerprint })
        }
    }

    /// GStreamer after a seek to a key frame: the video's `rtptime` is seconds early, that of the sound is right.
    @Test func anRTPTimeThatIsSecondsOffIsNotBelieved() throws {
        let fixture = try RTPFixture("main.mp4")
        var starts = fixture.starts(.seconds(6))
        for flow in fixture.formats.indices where fixture.formats[flow].kind == .video {
            starts[flow]?.rtpTime! &-= 540_000
        }
        let sent = fixture.packets.filter { packet in
            let ticks = Int64(Int32(bitPattern: packet.timestamp &- fixture.zero[packet.flow]))
            return ticks >= 6 * Int64(fixture.clocks[packet.flow])
        }
        let reading = try RTPReading(fixture, packets: sent, starts: starts)
        for (flow, format) in fixture.formats.enumerated() {
            let first = try #require(reading.packets[flow].first)
            let file = try #require(fixture.original[flow].first { $0.fingerprint == first.fingerprint })
            let tick = try #require(MediaTime(value: 1, timeBase: TimeBase(1, fixture.clocks[flow])))
            #expect((try #require(first.pts) - (try #require(file.pts))).magnitude <= tick)
            #expect(reading.reader.isAssumed(flow) == (format.kind == .video))
            let position = try #require(reading.reader.position(of: flow, at: Instant(nanoseconds: 0)))
            #expect((position.uncertainty > .zero) == (format.kind == .video))
        }
        #expect(
            reading.reader.takeFindings().map(\.finding) == [.timeline(.rtpTimeIgnored(distance: .seconds(6)))])
    }

    /// A play in the middle of a picture: what was begun is dropped, and decode times begin anew.
    @Test func anotherPlayBeginsAnew() throws {
        let fixture = try RTPFixture("main.mp4", kinds: [.video], packetSize: 600)
        let middle = try #require(
            fixture.packets.indices.first {
                $0 > 40 && !fixture.packets[$0].marker
                    && fixture.packets[$0].timestamp == fixture.packets[$0 - 1].timestamp
            })
        var reading = try RTPReading(fixture, packets: [])
        reading.reader.played(at: fixture.starts(), at: Instant(nanoseconds: 0))
        try reading.feed(Array(fixture.packets[...middle]))
        let before = reading.packets[0].count
        #expect(before > 20)
        reading.reader.played(at: fixture.starts(.seconds(4)), at: Instant(nanoseconds: 5))
        try reading.feed(
            fixture.packets.filter { Int32(bitPattern: $0.timestamp &- fixture.zero[0]) >= 4 * 90_000 })
        let after = Array(reading.packets[0].dropFirst(before))
        // The last one waits for its successor no more than any other: its marker has come.
        #expect(after.count == 200)
        #expect(after.first?.pts == .seconds(4))
        #expect(after.first?.isKey == true)
        #expect(after.first?.dts == .milliseconds(3920))
    }

    @Test(arguments: [0, 3, 11] as [Int64]) func timestampsWrap(seconds: Int64) throws {
        let fixture = try RTPFixture("main.mp4")
        var sent = fixture.packets
        var starts = fixture.starts()
        // So that they wrap after so many seconds.
        for index in sent.indices {
            let flow = sent[index].flow
            let shift = 0 &- fixture.zero[flow] &- UInt32(seconds * Int64(fixture.clocks[flow]))
            sent[index].timestamp &+= shift
            if index == 0 || starts[flow]?.rtpTime == fixture.zero[flow] {
                starts[flow]?.rtpTime = fixture.zero[flow] &+ shift
            }
        }
        #expect(try RTPReading(fixture, packets: sent, starts: starts).packets == RTPReading(fixture).packets)
    }

    /// Whoever describes no parameter sets must send them.
    @Test(arguments: ["main.ts", "hevc.ts"]) func parameterSetsComeInBand(_ name: String) throws {
        let fixture = try RTPFixture(name, kinds: [.video], describesSets: false)
        let reader = try fixture.reader()
        #expect(!reader.flowsAreKnown)
        let described = try RTPReading(RTPFixture(name, kinds: [.video]))
        let reading = try RTPReading(fixture)
        #expect(reading.reader.flowsAreKnown)
        #expect(reading.packets == described.packets)
        let (ours, its) = (reading.reader.flows[0], described.reader.flows[0])
        #expect((ours.width, ours.height, ours.reorderDepth) == (its.width, its.height, its.reorderDepth))
        #expect(ours.parameterSets == its.parameterSets)
        // Where they never come, nothing does: nobody could decode it.
        let silent = try RTPReading(RTPFixture("main.mp4", kinds: [.video], describesSets: false))
        #expect(silent.packets[0].isEmpty && !silent.reader.flowsAreKnown)
    }

    /// Every key frame can be begun at, as in a transport stream.
    @Test func keyFramesBringTheirParameterSets() throws {
        let fixture = try RTPFixture("hevc.mp4", kinds: [.video])
        let reader = try fixture.reader()
        var out = UniqueDeque<Packet>()
        reader.played(at: fixture.starts(), at: Instant(nanoseconds: 0))
        for packet in fixture.packets {
            packet.bytes.withUnsafeBytes { reader.received($0, flow: 0, at: Instant(nanoseconds: 0), into: &out) }
        }
        var keys = 0
        while let packet = out.popFirst() {
            let sets = try packet.withPayload { try ParameterSets(payload: $0, form: .annexB(.hevc)) }
            #expect(sets.kinds == (packet.isKey ? .needed(by: .hevc) : []))
            keys += packet.isKey ? 1 : 0
        }
        #expect(keys == 6)
    }

    @Test func whatNobodyCanReadIsLeftOutAndNamed() throws {
        let text =
            "v=0\r\ns=-\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 X-SECRET/90000\r\nm=audio 0 RTP/AVP 0\r\n"
            + "m=video 0 RTP/AVP 33\r\nm=application 0 RTP/AVP 107\r\nm=audio 0 RTP/AVP 8\r\n"
        let description = try #require(SessionDescription(parsing: Array(text.utf8)))
        let reader = try RTPReader(description, media: [0, 1, 2, 3, 9])
        #expect(reader.flows.map(\.codecName) == ["pcm_mulaw"])
        #expect(reader.media == [1] && reader.flow(ofMedium: 1) == 0 && reader.flow(ofMedium: 4) == nil)
        #expect(Set(reader.leftOut.map(\.medium)) == [0, 2, 3])
        #expect(reader.leftOut.contains { $0.encoding == "X-SECRET/90000" })
        #expect(throws: MediaError.self) { try RTPReader(description, media: [0]) }
    }
}
