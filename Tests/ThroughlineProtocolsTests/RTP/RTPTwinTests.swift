internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct RTPTwinTests {
    // MARK: Loss on both

    /// Lag of the twin in milliseconds, first numbers and timestamps of both.
    @Test(
        arguments: [
            (0, 100, 40_000, 5000, 77),
            (35, 65_000, 65_530, UInt32.max - 1000, 3),
            (-35, 0, 1, 1, UInt32.max - 90_000),
            (200, 65_535, 30_000, 0, 0),
            (-200, 32_768, 32_768, 123_456, 123_456),
        ] as [(Int64, UInt16, UInt16, UInt32, UInt32)])
    func onlyWhatBothLoseIsLost(
        lag: Int64, playedSequence: UInt16, twinSequence: UInt16, playedTimestamp: UInt32, twinTimestamp: UInt32
    ) {
        var scene = TwinScene()
        scene.twin.lag = lag
        (scene.played.sequence, scene.twin.sequence) = (playedSequence, twinSequence)
        (scene.played.timestamp, scene.twin.timestamp) = (playedTimestamp, twinTimestamp)
        scene.played.doubledPerThousand = 10
        scene.twin.doubledPerThousand = 10
        scene.seed = UInt64(bitPattern: lag) &+ 9
        let outcome = scene.run()
        #expect(outcome.wrong.isEmpty, "\(outcome.wrong.prefix(5))")
        #expect(outcome.lostOnPath > 1000 && outcome.lost + outcome.filled == outcome.lostOnPath, "\(outcome)")
        #expect(outcome.lossPerThousand <= 3.5 && outcome.lossPerThousand >= 1.5, "\(outcome.lossPerThousand)")
        #expect(outcome.findings.count == 1, "\(outcome.findings)")
        // Before it is known how they differ nothing can be filled.
        #expect(outcome.lost - outcome.lostOnBoth < 25, "\(outcome)")
    }

    /// From one packet to the next: of a flow of sound, and of a fast one, of which more comes than the usual window holds
    /// while a packet is waited for.
    @Test(arguments: [23_000, 150] as [Int64]) func slowAndFastFlows(microseconds: Int64) {
        var scene = TwinScene()
        scene.microseconds = microseconds
        (scene.played.jitter, scene.twin.jitter) = (5, 5)
        scene.twin.lag = 60
        let outcome = scene.run()
        #expect(outcome.wrong.isEmpty && outcome.lost + outcome.filled == outcome.lostOnPath, "\(outcome)")
        #expect(outcome.lossPerThousand <= 3.5 && outcome.lossPerThousand >= 1.5, "\(outcome)")
    }

    @Test func withoutLossNothingIsFilled() {
        var scene = TwinScene(count: 10_000)
        scene.played.lossPerThousand = 0
        scene.twin.lag = 50
        let outcome = scene.run()
        #expect(outcome.delivered == 10_000 && outcome.filled == 0 && outcome.lost == 0 && outcome.wrong.isEmpty)
        #expect(outcome.longestDelay <= .milliseconds(20), "nothing waits for the twin")
    }

    @Test(arguments: [-300, 0, 150] as [Int64]) func aLongHoleIsFilled(lag: Int64) {
        var scene = TwinScene(count: 10_000)
        scene.played.lossPerThousand = 0
        scene.played.outage = 5000..<5300
        scene.twin.lag = lag
        scene.twin.lossPerThousand = 20
        let outcome = scene.run()
        #expect(outcome.wrong.isEmpty && outcome.lost == outcome.lostOnBoth && outcome.filled + outcome.lost == 300)
        #expect(outcome.filled > 280, "\(outcome)")
    }

    /// Servers that make timestamps from times round each for itself.
    @Test func timestampsMayBeATickOff() {
        var scene = TwinScene(count: 20_000)
        // One timestamp for all packets of a picture, as everywhere.
        scene.rounding = { UInt32($0 / 3 % 7 == 3 ? 1 : 0) }
        let outcome = scene.run()
        #expect(outcome.filled > 800 && outcome.findings.count == 1, "\(outcome)")
        // Pictures of which nothing came but from the twin may keep the difference; those have three packets.
        #expect(outcome.wrong.count <= 6, "\(outcome.wrong)")
    }

    // MARK: Waiting

    /// A twin that comes too late is not waited for.
    @Test(arguments: [(1000, 500), (300, 150)] as [(Int64, Int64)])
    func tooLateIsNotWaitedFor(lag: Int64, hold: Int64) {
        var scene = TwinScene(count: 10_000)
        scene.twin.lag = lag
        scene.policy.hold = .milliseconds(hold)
        let outcome = scene.run()
        #expect(outcome.filled == 0 && outcome.lost == outcome.lostOnPath && outcome.wrong.isEmpty)
        #expect(outcome.longestDelay <= .milliseconds(140), "\(outcome.longestDelay)")
        #expect(outcome.findings.count == 1, "that they agree was found all the same")
    }

    /// The twin is silent from the middle on, and waited for in vain: for as long as it has lagged, or as is allowed.
    @Test(arguments: [(500, 390), (325, 350)] as [(Int64, Int64)])
    func aGapIsHeldOpenForNoLongerThanAllowed(hold: Int64, most: Int64) {
        var scene = TwinScene(count: 10_000)
        scene.twin.lag = 300
        scene.twin.outage = 5000..<10_000
        scene.policy.hold = .milliseconds(hold)
        let outcome = scene.run()
        #expect(outcome.filled > 150 && outcome.wrong.isEmpty, "\(outcome.filled)")
        #expect(outcome.longestDelay > .milliseconds(310), "\(outcome.longestDelay)")
        #expect(outcome.longestDelay <= .milliseconds(most), "\(outcome.longestDelay)")
    }

    @Test func howLongAGapIsHeldOpen() {
        #expect(RTPTwin.Policy.suiting(buffer: .seconds(2)).hold == .milliseconds(500))
        #expect(RTPTwin.Policy.suiting(buffer: .milliseconds(600)).hold == .milliseconds(300))
        #expect(RTPTwin.Policy().hold == .milliseconds(500))
    }

    // MARK: What is not the same

    /// What the twin sends instead.
    @Test(arguments: ["other", "sets", "shifted", "one in ten"]) func anotherContentFillsNothing(what: String) {
        var scene = TwinScene(count: 10_000)
        let sets: @Sendable (Int, Int) -> [UInt8] = { number, salt in
            // Parameter sets before each key frame are what two encoders may have in common.
            number % 50 < 3 ? TwinScene.unique(number % 50) : TwinScene.unique(number + salt)
        }
        switch what {
        case "other": scene.twinContent = { TwinScene.unique($0 + 1_000_000) }
        case "sets":
            scene.content = { sets($0, 0) }
            scene.twinContent = { sets($0, 1_000_000) }
        case "shifted":
            scene.twinContent = { Array(TwinScene.unique($0).dropFirst() + TwinScene.unique($0 + 1).prefix(1)) }
        default: scene.twinContent = { TwinScene.unique($0 % 10 == 0 ? $0 : $0 + 1_000_000) }
        }
        let outcome = scene.run()
        #expect(outcome.filled == 0 && outcome.wrong.isEmpty && outcome.lost == outcome.lostOnPath, "\(outcome)")
        #expect(outcome.findings == [.unlike], "\(outcome.findings)")
    }

    /// Silence says nothing of how the numbers differ; once that is known it is filled, too.
    @Test func silenceProvesNothing() {
        var scene = TwinScene(count: 10_000)
        scene.content = {
            $0 < 4000 || (6000..<8000).contains($0) ? [UInt8](repeating: 7, count: 40) : TwinScene.unique($0)
        }
        scene.twin.lag = 20
        let outcome = scene.run()
        #expect(outcome.wrong.isEmpty && outcome.filled > 200, "\(outcome)")
        #expect(outcome.lostPlaces.count { $0 < 4000 } > 150, "\(outcome)")
        #expect(outcome.lostPlaces.count { $0 > 4100 } < 40, "\(outcome)")
    }

    /// Packets that are too short to say anything.
    @Test func shortPayloadsProveNothing() {
        var scene = TwinScene(count: 5000)
        scene.size = 12
        let outcome = scene.run()
        #expect(outcome.filled == 0 && outcome.wrong.isEmpty, "\(outcome)")
    }

    /// A server leaves numbers out in the middle: with whom, by how many, and the lag of the twin.
    @Test(
        arguments: [
            (true, 10, 0), (true, 1, 200), (true, 1, -200), (true, 65_530, -200), (true, 65_000, 100),
            (true, 65_535, -100), (true, 500, 30),
        ] as [(Bool, UInt16, Int64)])
    func anotherOffsetIsLookedFor(isTwin: Bool, by skip: UInt16, lag: Int64) {
        var scene = TwinScene(count: 20_000)
        scene.twin.lag = lag
        scene.twin.skip = (10_000, skip)
        let outcome = scene.run()
        #expect(outcome.wrong.isEmpty, "\(outcome.wrong.prefix(5))")
        let agreements = outcome.findings.map { $0 != .contradicted && $0 != .unlike }
        // A packet that was on its way when the count leapt may contradict the new one, too.
        #expect(
            agreements == [true, false, true] || agreements == [true, false, true, false, true], "\(outcome.findings)")
        // What is lost for it is what comes while it is looked for.
        #expect(outcome.lossPerThousand <= 5, "\(outcome.lossPerThousand)")
    }

    // MARK: Proof by hand

    /// A pair of senders, packet by packet.
    struct Pair {
        var twin = RTPTwin()
        var played = TwinScene.Path()
        var other = TwinScene.Path(sequence: 900, timestamp: 70_000, ssrc: 2, payloadType: 97)
        let scene = TwinScene()

        mutating func play(_ number: Int) {
            scene.packet(number, of: played).withUnsafeBytes {
                twin.playedReceived($0, at: .at(milliseconds: Int64(number)))
            }
        }

        mutating func send(_ number: Int, _ change: (inout [UInt8]) -> Void = { _ in }) {
            var packet = scene.packet(number, of: other)
            change(&packet)
            packet.withUnsafeBytes { twin.twinReceived($0, at: .at(milliseconds: Int64(number))) }
        }

        mutating func fill(_ number: Int, until limit: Int64? = nil, at now: Int64 = 30) -> (RTPTwin.Answer, [UInt8]) {
            var bytes: [UInt8] = []
            let answer = twin.fill(
                played.sequence &+ UInt16(number), at: .at(milliseconds: now),
                until: limit.map { .at(milliseconds: $0) }
            ) { bytes = Array($0) }
            return (answer, bytes)
        }
    }

    @Test func eightPayloadsMustAgree() {
        var pair = Pair()
        for number in 0..<7 {
            pair.play(number)
            pair.send(number)
        }
        #expect(!pair.twin.agrees && pair.twin.lag == nil)
        // A duplicate says nothing new.
        pair.send(6)
        pair.play(6)
        #expect(!pair.twin.agrees)
        pair.send(8)
        pair.play(8)
        #expect(pair.twin.agrees)
        pair.send(7)
        let (answer, bytes) = pair.fill(7)
        #expect(answer == .filled && bytes == pair.scene.packet(7, of: pair.played))
    }

    /// What is changed in a packet of the twin, and whether that ends the agreement.
    @Test(
        arguments: [
            ("nothing", false), ("ssrc", true), ("payload", true), ("length", true), ("marker", true),
            ("timestamp", true),
            ("payload type", false),
        ])
    func oneContradictionIsEnough(what: String, ends: Bool) {
        var pair = Pair()
        for number in 0..<20 {
            pair.play(number)
            pair.send(number)
        }
        #expect(pair.twin.agrees)
        pair.play(20)
        pair.send(20) { bytes in
            switch what {
            case "ssrc": bytes[11] ^= 1
            case "payload": bytes[40] ^= 1
            case "length": bytes.removeLast()
            case "marker": bytes[1] ^= 0x80
            case "timestamp": bytes[6] ^= 1
            case "payload type": bytes[1] ^= 1
            default: break
            }
        }
        #expect(pair.twin.agrees == !ends)
        // And nothing that came before is taken any more.
        pair.play(22)
        pair.send(21)
        pair.send(22)
        #expect(pair.fill(21).0 == (ends ? .absent : .filled))
    }

    /// A packet is taken when what is before and behind it is known to be the same.
    @Test func aPacketIsTakenBetweenProofs() {
        var pair = Pair()
        for number in 0..<20 {
            pair.play(number)
            pair.send(number)
        }
        pair.play(21)
        // It has not come: the twin has brought everything at once so far, and gets a little longer than that.
        #expect(pair.fill(20, until: 500).0 == .awaited(until: .at(milliseconds: 61)))
        #expect(pair.fill(20, until: 40).0 == .awaited(until: .at(milliseconds: 40)), "no longer than is allowed")
        #expect(pair.fill(20, until: 20, at: 10).0 == .absent, "it would come too late")
        #expect(pair.fill(20).0 == .absent, "it may not be waited for")
        #expect(pair.fill(20, until: 500, at: 61).0 == .absent, "it should have come")
        pair.send(20)
        #expect(
            pair.fill(20, until: 500).0 == .awaited(until: .at(milliseconds: 500)), "what is behind it is not known")
        #expect(pair.fill(20).0 == .absent)
        pair.send(21)
        #expect(pair.fill(20, until: 500).0 == .filled)
        // The twin has gone past it.
        pair.play(23)
        pair.send(23)
        #expect(pair.fill(22, until: 500).0 == .awaited(until: .at(milliseconds: 63)))
        // After a long silence of both.
        pair.send(3000)
        pair.play(3001)
        pair.send(3001)
        #expect(pair.fill(3000, until: 3500, at: 3001).0 == .absent, "what is before it is too far away")
        pair.send(3002)
        pair.play(3003)
        pair.send(3003)
        #expect(pair.fill(3002, until: 3500, at: 3003).0 == .filled)
    }

    // MARK: Memory

    /// Bytes that may be kept, and the size of the packets.
    @Test(arguments: [(1 << 16, 1400), (1 << 18, 1400), (4 << 20, 1400), (4 << 20, 20)])
    func memoryIsBounded(limit: Int, size: Int) {
        var scene = TwinScene(count: 8000)
        scene.size = size
        scene.microseconds = 300
        (scene.played.jitter, scene.twin.jitter) = (5, 5)
        scene.policy.byteLimit = limit
        let outcome = scene.run()
        #expect(outcome.wrong.isEmpty && outcome.filled > 0)
        #expect(outcome.mostCapacity <= limit, "\(outcome.mostCapacity)")
        // Of two seconds of short packets there is little to keep.
        if size == 20 { #expect(outcome.mostCapacity <= 1 << 19, "\(outcome.mostCapacity)") }
        if limit == 4 << 20, size == 1400 { #expect(outcome.mostCapacity == limit) }
    }

    @Test func theStoreKeepsWhatItSays() {
        var store = RTPPacketStore(memory: .seconds(1), byteLimit: 1 << 18)
        var random = SeededGenerator(seed: 5)
        var sent: [(sequence: UInt16, bytes: [UInt8], time: Int64)] = []
        var found = 0
        for number in 0..<20_000 {
            // Now slow, now fast.
            let time = (sent.last?.time ?? 0) + (number / 3000 % 2 == 0 ? 8 : 1)
            let sequence = UInt16(truncatingIfNeeded: number + 60_000)
            let bytes = rtpPacket(
                sequence: sequence, payload: TwinScene.unique(number, size: .random(in: 0...900, using: &random)))
            bytes.withUnsafeBytes { packet in
                guard let header = RTPHeader(packet) else { return }
                store.keep(packet, RTPMark(header, of: packet, at: .at(milliseconds: time)))
            }
            sent.append((sequence, bytes, time))
            guard number % 50 == 0 else { continue }
            for packet in sent.suffix(2000) {
                let kept = store.withBytes(of: packet.sequence, at: .at(milliseconds: time)) { Array($0) }
                #expect(kept == nil || kept == packet.bytes)
                if kept != nil { found += 1 }
                #expect(kept == nil || time - packet.time <= 1000)
                #expect(kept != nil || time - packet.time > 100, "there is room for so much")
            }
        }
        #expect(found > 10_000 && store.capacity == 1 << 18)
    }
}
