internal import DequeModule
internal import Testing
internal import ThroughlineCore

@testable internal import Throughline
@testable internal import ThroughlineMedia

@Suite(.timeLimit(.minutes(25))) struct PlayoutBufferTests {
    struct Out: Equatable, Sendable {
        let flow: Int
        let due: Int64
        /// Milliseconds on the wall clock since the first.
        var at: Int64 = 0
    }

    static func packet(_ flow: Int, due: Int64, lasting: Int64 = 40, size: Int = 10) throws -> Packet {
        var packet = try Packet()
        packet.flow = flow
        packet.pts = .milliseconds(due)
        packet.dts = .milliseconds(due)
        packet.duration = .milliseconds(lasting)
        try [UInt8](repeating: 0, count: size).withUnsafeBytes { try packet.replacePayload(with: $0) }
        return packet
    }

    static func buffer(
        _ kinds: String, isPaced: Bool, milliseconds: Int64 = 2000, bytes: Int = 1 << 20, packets: Int = 2048
    ) -> PlayoutBuffer {
        let buffer = PlayoutBuffer(
            limits: .init(duration: .milliseconds(milliseconds), bytes: bytes, packets: packets, isPaced: isPaced))
        buffer.begin(kinds.map { ($0 == "s", $0 == "v") })
        return buffer
    }

    /// Pushes packets in batches of `batch`, then the end.
    static func pushing(
        _ packets: [(flow: Int, due: Int64)], batch size: Int = 64, lasting: Int64 = 40, into buffer: PlayoutBuffer
    ) -> Blocking<Bool> {
        Blocking {
            var batch = UniqueDeque<Packet>()
            for (index, packet) in packets.enumerated() {
                if let packet = try? Self.packet(packet.flow, due: packet.due, lasting: lasting) {
                    batch.append(packet)
                }
                if batch.count == size || index == packets.count - 1, !buffer.push(&batch) { return false }
            }
            buffer.end()
            return true
        }
    }

    /// Takes to the end.
    static func taking(from buffer: PlayoutBuffer, limit: Int = 256) -> Blocking<[Out]?> {
        Blocking {
            var out: [Out] = []
            var batch = UniqueDeque<Packet>()
            var first: Instant?
            while true {
                let take = buffer.take(into: &batch, limit: limit)
                switch take {
                case .ended: return out
                case .aborted: return nil
                case .called: continue
                case .batch: break
                }
                let now = Instant.now
                first = first ?? now
                while !batch.isEmpty {
                    let packet = batch.removeFirst()
                    out.append(
                        Out(flow: packet.flow, due: packet.due?.milliseconds ?? -1, at: (now - first!).milliseconds))
                }
            }
        }
    }

    /// Both sides at once; nil when they got stuck.
    static func through(
        _ buffer: PlayoutBuffer, _ packets: [(flow: Int, due: Int64)], batch: Int = 64, lasting: Int64 = 40,
        within duration: Duration = .seconds(10)
    ) -> [Out]? {
        let taker = taking(from: buffer)
        let pusher = pushing(packets, batch: batch, lasting: lasting, into: buffer)
        let result = taker.value(within: duration)
        buffer.abort()
        pusher.join()
        taker.join()
        return result ?? nil
    }

    // MARK: - At full speed

    @Test func packetsComeOutInTheOrderInWhichTheyAreDue() throws {
        let buffer = Self.buffer("vas", isPaced: false)
        // Flows that come in lumps of their own.
        var packets: [(flow: Int, due: Int64)] = []
        for lump in 0..<20 as Range<Int64> {
            packets += (0..<10).map { (0, lump * 400 + $0 * 40) }
            packets += (0..<20).map { (1, lump * 400 + $0 * 20 + 5) }
            packets.append((2, lump * 400 + 11))
        }
        let out = try #require(Self.through(buffer, packets, batch: 31))
        #expect(out.map(\.due) == packets.map(\.due).sorted())
        for flow in 0..<3 {
            #expect(out.filter { $0.flow == flow }.map(\.due) == packets.filter { $0.flow == flow }.map(\.due))
        }
    }

    @Test("What is due before all that waits goes out in time, though the pacer sleeps for something later")
    func whatComesLaterMayBeDueEarlier() throws {
        try World(seed: 1).run {
            let buffer = Self.buffer("vs", isPaced: true, milliseconds: 1000)
            let taking = Self.taking(from: buffer)
            var pictures = UniqueDeque<Packet>()
            for due in [0, 1000, 1040] { pictures.append(try Self.packet(0, due: Int64(due))) }
            let takesPictures = buffer.push(&pictures)
            #expect(takesPictures)
            #expect(buffer.reserve.left(at: .now) == .zero, "nothing is presented yet")
            var words = UniqueDeque<Packet>()
            words.append(try Self.packet(1, due: 300))
            _ = Guarded(()).wait(until: .now + .milliseconds(50)) { _ -> Void? in nil }
            let takesWords = buffer.push(&words)
            #expect(takesWords)
            #expect(buffer.reserve.left(at: .now) > .milliseconds(800))
            buffer.end()
            let out = try #require(taking.value() ?? nil)
            taking.join()
            #expect(out.map(\.due) == [0, 300, 1000, 1040])
            #expect(out[1].at <= 300, "the words come late")
        }
    }

    @Test func aFlowThatEndsEarlyHoldsNobodyUp() throws {
        let buffer = Self.buffer("va", isPaced: false, packets: 512)
        let packets =
            (0..<100).map { (flow: 1, due: Int64($0) * 20) } + (0..<5000).map { (flow: 0, due: Int64($0) * 40) }
        let out = try #require(Self.through(buffer, packets), "both sides wait for each other")
        #expect(out.count == packets.count)
    }

    @Test func aFlowThatNeverComesHoldsNobodyUp() throws {
        let buffer = Self.buffer("va", isPaced: false, packets: 512)
        let packets = (0..<5000).map { (flow: 0, due: Int64($0) * 40) }
        let out = try #require(Self.through(buffer, packets), "both sides wait for each other")
        #expect(out.map(\.due) == packets.map(\.due))
    }

    @Test func theFirstSoundMayComeBehindMorePicturesThanTheBufferHolds() throws {
        let buffer = Self.buffer("va", isPaced: true, milliseconds: 1000)
        let pictures = (0..<50).map { (flow: 0, due: Int64($0) * 40) }
        let sounds = (0..<50).map { (flow: 1, due: Int64($0) * 40) }
        let out = try #require(Self.through(buffer, pictures + sounds, batch: 5))
        #expect(out.count == 100)
        #expect(buffer.gapTotal == .zero)
    }

    @Test func aFlowFarBehindHoldsNobodyUp() throws {
        let buffer = Self.buffer("va", isPaced: false, packets: 256)
        let packets =
            (0..<3000).map { (flow: 0, due: Int64($0) * 40) } + (0..<3000).map { (flow: 1, due: Int64($0) * 40) }
        let out = try #require(Self.through(buffer, packets), "both sides wait for each other")
        #expect(out.count == packets.count)
    }

    @Test func aFullBufferPushesBack() throws {
        let buffer = Self.buffer("v", isPaced: false, bytes: 800)
        let packets = (0..<1000).map { (flow: 0, due: Int64($0) * 40) }
        let pusher = Self.pushing(packets, batch: 10, into: buffer)
        #expect(pusher.isBlocked)
        #expect(buffer.level.bytes <= 800 + 10 * 10)
        #expect(buffer.level.bytes >= 700)
        let taker = Self.taking(from: buffer, limit: 7)
        #expect(try #require(taker.value())?.count == 1000)
        #expect(pusher.value() == true)
        pusher.join()
        taker.join()
        #expect(buffer.level.bytes == 0)
    }

    // MARK: - When due

    @Test func nothingComesOutBeforeItIsDue() throws {
        let buffer = Self.buffer("va", isPaced: true)
        let packets = (0..<20).flatMap { index -> [(flow: Int, due: Int64)] in
            [(0, Int64(index) * 40), (1, Int64(index) * 40 + 10)]
        }
        let out = try #require(Self.through(buffer, packets))
        #expect(out.map(\.due) == packets.map(\.due).sorted())
        // A slot of 40 ms before they are due, measured from the first that came out.
        #expect(out.allSatisfy { $0.at >= $0.due - 65 })
        #expect(try #require(out.last).at >= 700)
        #expect(buffer.gapTotal == .zero)
    }

    @Test func aPacketThatLastsLongerThanTheBufferHoldsNobodyUp() throws {
        let buffer = Self.buffer("v", isPaced: true, milliseconds: 200)
        let packets = (0..<4).map { (flow: 0, due: Int64($0) * 400) }
        let out = Self.through(buffer, packets, batch: 1, lasting: 400, within: .seconds(5))
        #expect(out?.map(\.due) == packets.map(\.due))
    }

    @Test func theBufferHoldsNoMoreThanItsDuration() throws {
        let buffer = Self.buffer("v", isPaced: true, milliseconds: 400)
        let packets = (0..<40).map { (flow: 0, due: Int64($0) * 40) }
        let pusher = Self.pushing(packets, batch: 1, into: buffer)
        #expect(pusher.isBlocked)
        #expect(buffer.level.duration <= .milliseconds(440))
        #expect(buffer.level.duration >= .milliseconds(360))
        let taker = Self.taking(from: buffer)
        #expect(try #require(taker.value())?.count == 40)
        pusher.join()
        taker.join()
    }

    @Test func afterASeekWhatWentOutBeforeSaysNothingOfTheLevel() throws {
        let buffer = Self.buffer("v", isPaced: true)
        var batch = UniqueDeque<Packet>()
        batch.append(try Self.packet(0, due: 0))
        var isPushed = buffer.push(&batch)
        buffer.complete()
        _ = buffer.take(into: &batch, limit: 8)
        let count = batch.count
        #expect(isPushed && count == 1)
        while !batch.isEmpty { _ = batch.removeFirst() }
        buffer.restart()
        batch.append(try Self.packet(0, due: 20_000))
        isPushed = buffer.push(&batch)
        #expect(isPushed)
        #expect(buffer.level.duration == .milliseconds(40))
        #expect(buffer.playhead == .zero, "the viewer stands where he was until the clock starts")
    }

    @Test(arguments: [0, 1, 7, 8, 100]) func aBufferOfHardlyAByteTakesOnePacketAfterTheOther(bytes: Int) throws {
        for isPaced in [false, true] {
            let buffer = Self.buffer("v", isPaced: isPaced, bytes: bytes, packets: bytes)
            let packets = (0..<20).map { (flow: 0, due: Int64($0) * 4) }
            let out = Self.through(buffer, packets, batch: 1, lasting: 4, within: .seconds(5))
            #expect(out?.count == 20, "both sides wait for each other")
        }
    }

    @Test(arguments: [false, true]) func whatIsReceivedBeforeTheClockStartsGoesByWhoDelivers(isRealtime: Bool) throws {
        let buffer = Self.buffer("v", isPaced: true)
        buffer.isFed(inRealtime: !isRealtime)
        buffer.restart()
        // Another origin has gone on, and the viewer goes elsewhere.
        buffer.isFed(inRealtime: isRealtime)
        var batch = UniqueDeque<Packet>()
        for index in 0..<30 as Range<Int64> { batch.append(try Self.packet(0, due: index * 40)) }
        let isPushed = buffer.push(&batch)
        #expect(isPushed)
        let taker = Self.taking(from: buffer)
        if isRealtime {
            #expect(taker.isBlocked && !buffer.isBeingPlayed, "1.2 s of 2 s are no full buffer")
        } else {
            #expect(taker.isBlocked && buffer.isBeingPlayed, "0.4 s are enough where more comes faster")
        }
        buffer.abort()
        taker.join()
    }

    @Test func aPlaceIsTheViewersOnceSomethingOfItIsPresented() throws {
        let buffer = Self.buffer("v", isPaced: false)
        var batch = UniqueDeque<Packet>()
        for place in [0, 20_000] as [Int64] {
            buffer.restart()
            #expect(!buffer.hasBegun)
            batch.append(try Self.packet(0, due: place))
            let isPushed = buffer.push(&batch)
            _ = buffer.take(into: &batch, limit: 8)
            #expect(isPushed && buffer.hasBegun && buffer.playhead == .milliseconds(place))
            while !batch.isEmpty { _ = batch.removeFirst() }
        }
    }

    @Test func aSparseFlowIsNotWaitedFor() throws {
        let buffer = Self.buffer("vs", isPaced: true)
        let packets = (0..<10).map { (flow: 0, due: Int64($0) * 40) }
        let taker = Self.taking(from: buffer)
        let pusher = Self.pushing(packets, into: buffer)
        #expect(try #require(taker.value(within: .seconds(5)))?.count == 10)
        pusher.join()
        taker.join()
    }

    // MARK: - Ends

    @Test func anEmptyBufferEnds() throws {
        for isPaced in [true, false] {
            let buffer = Self.buffer("va", isPaced: isPaced)
            let taker = Self.taking(from: buffer)
            #expect(taker.isBlocked)
            buffer.end()
            #expect(try #require(taker.value()) == [])
            taker.join()
        }
    }

    @Test func abortingFreesBothSides() throws {
        for isPaced in [true, false] {
            let full = Self.buffer("v", isPaced: isPaced, milliseconds: 100, packets: 8)
            let pusher = Self.pushing((0..<5000).map { (flow: 0, due: Int64($0) * 40) }, batch: 1, into: full)
            #expect(pusher.isBlocked)
            full.abort()
            #expect(pusher.value() == false)
            pusher.join()
            let empty = Self.buffer("v", isPaced: isPaced)
            let taker = Self.taking(from: empty)
            #expect(taker.isBlocked)
            empty.abort()
            #expect(try #require(taker.value()) == nil)
            taker.join()
        }
    }

    // MARK: - Handing off

    @Test func theTailIsWhatWasReceivedLastOutOrNot() throws {
        let buffer = Self.buffer("v", isPaced: false)
        var batch = UniqueDeque<Packet>()
        for index in 0..<20 as Range<Int64> { batch.append(try Self.packet(0, due: index * 40)) }
        let isOpen = buffer.push(&batch)
        #expect(isOpen)
        _ = buffer.take(into: &batch, limit: 12)
        #expect(batch.count == 12)
        func times(_ packets: consuming UniqueDeque<Packet>) -> [Int64] {
            var times: [Int64] = []
            while !packets.isEmpty { times.append(packets.removeFirst().pts?.milliseconds ?? -1) }
            return times
        }
        #expect(times(buffer.tail(flow: 0, limit: 64)) == (0..<20).map { $0 * 40 })
        #expect(times(buffer.tail(flow: 0, limit: 10)) == (10..<20).map { $0 * 40 })
        #expect(times(buffer.tail(flow: 0, limit: 3)) == (17..<20).map { $0 * 40 })
        #expect(buffer.traces(flow: 0).recent.count == 12)
        #expect(buffer.traces(flow: 0).waiting.count == 8)
        #expect(buffer.accounts[0].end == .milliseconds(800))
    }

    @Test func aCutDropsWhatLiesBehindIt() throws {
        let buffer = Self.buffer("v", isPaced: false)
        var batch = UniqueDeque<Packet>()
        for index in 0..<20 as Range<Int64> { batch.append(try Self.packet(0, due: index * 40)) }
        let isOpen = buffer.push(&batch)
        #expect(isOpen)
        let (cut, lastDecode) = try #require(
            buffer.cut(flow: 0, at: .milliseconds(400), tolerance: .milliseconds(20)))
        #expect(cut.kept == 10)
        #expect(lastDecode == .milliseconds(360))
        #expect(buffer.level.bytes == 100)
        #expect(buffer.level.duration == .milliseconds(400))
        buffer.end()
        let taker = Self.taking(from: buffer)
        #expect(try #require(taker.value())?.map(\.due) == (0..<10).map { $0 * 40 })
        taker.join()
    }

    @Test func aCutOfAllThatWaitsLeavesNothing() throws {
        let buffer = Self.buffer("v", isPaced: false)
        var batch = UniqueDeque<Packet>()
        for index in 0..<20 as Range<Int64> { batch.append(try Self.packet(0, due: index * 40)) }
        let isOpen = buffer.push(&batch)
        #expect(isOpen)
        _ = buffer.take(into: &batch, limit: 5)
        let (cut, lastDecode) = try #require(
            buffer.cut(flow: 0, at: .milliseconds(200), tolerance: .milliseconds(20)))
        #expect(cut.kept == 0)
        #expect(lastDecode == .milliseconds(160))
        #expect(buffer.level.bytes == 0)
        #expect(buffer.level.duration <= .milliseconds(40), "what was cut away is no media ahead")
        #expect(buffer.cut(flow: 0, at: .milliseconds(160), tolerance: .milliseconds(20)) == nil)
    }
}

extension Duration {
    /// Rounded down.
    fileprivate var milliseconds: Int64 { wholeNanoseconds / 1_000_000 }
}
