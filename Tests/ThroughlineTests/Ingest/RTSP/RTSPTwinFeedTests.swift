internal import Testing
internal import ThroughlineCore
internal import ThroughlineProtocols
internal import ThroughlineTransport

@testable internal import Throughline

@Suite(.timeLimit(.minutes(25))) struct RTSPTwinFeedTests {
    private func block(_ bytes: Int) -> RTPBlock {
        var block = RTPBlock(arrival: .now)
        [UInt8](repeating: 1, count: bytes).withUnsafeBytes { block.append($0, flow: 0) }
        return block
    }

    @Test func whatIsNotTakenIsDropped() {
        let feed = RTSPTwinFeed(flows: [nil, 0], policy: .init(), byteLimit: 10_000)
        #expect(feed.flow(of: 0) == nil && feed.flow(of: 1) == 0 && feed.flow(of: 2) == nil)
        for size in 1...200 { #expect(feed.put(block(size * 10))) }
        #expect(feed.byteCount <= 10_000 && feed.byteCount > 7000)
        let sizes = feed.take().map { item in if case .packets(let block) = item { block.bytes.count } else { 0 } }
        #expect(sizes.last == 2000 && sizes.count < 6, "the oldest go first")
        #expect(feed.byteCount == 0 && feed.take().isEmpty)
        // What a server sent before another PLAY is of no use.
        _ = feed.put(block(10))
        feed.restarted()
        feed.restarted()
        _ = feed.put(block(20))
        #expect(feed.take().count == 2)
        feed.close()
        #expect(!feed.put(block(10)) && feed.take().isEmpty)
    }

    @Test func onlyWhatIsAwaitedWakes() {
        let feed = RTSPTwinFeed(flows: [0], policy: .init())
        let wakes = Guarded(0)
        feed.watch { wakes.withLock { $0 += 1 } }
        _ = feed.put(block(10))
        #expect(wakes.withLock { $0 } == 0)
        #expect(feed.mayRest(isAwaiting: false))
        #expect(!feed.mayRest(isAwaiting: true), "it is there already")
        _ = feed.take()
        #expect(feed.mayRest(isAwaiting: true))
        _ = feed.put(block(10))
        #expect(wakes.withLock { $0 } == 1)
        feed.ended()
        #expect(wakes.withLock { $0 } == 2)
    }

    // MARK: Two sessions

    /// A packet of a server: the payload is the same for all of them, and occurs once.
    private static func packet(_ number: Int, from first: Int, ssrc: UInt8) -> [UInt8] {
        var packet = ScriptedRTSPServer.Peer.packet(number + first, byteCount: 200, ssrc: ssrc)
        for (place, shift) in [0, 8, 16].enumerated() { packet[12 + place] = UInt8(number >> shift & 0xFF) }
        return packet
    }

    /// So many packets are enough for the two to agree on what differs; behind them both begin to lose.
    private static let whole = 100
    /// No more than so many are under way: sockets hold them, however slow the machine is.
    private static let ahead = 100

    /// A server that sends 600 packets, as far as it may, without those that are named.
    private func server(
        from first: Int, ssrc: UInt8, upTo limit: Guarded<Int>, isLost: @escaping @Sendable (Int) -> Bool
    ) -> ScriptedRTSPServer {
        ScriptedRTSPServer { peer in
            guard let play = peer.begin() else { return }
            peer.answer(play, .ok, [(.session, "1")])
            for number in 0..<600 where number < Self.whole || !isLost(number) {
                _ = limit.wait(until: .now + .seconds(10)) { number < $0 ? () : nil }
                peer.send(datagram: Self.packet(number, from: first, ssrc: ssrc))
            }
            peer.goOn()
        }
    }

    private func play(_ server: ScriptedRTSPServer) throws -> RTSPSource {
        var options = RTSPSource.Options(address: try #require(RTSPAddress(server.url)))
        options.usesUDP = true
        let source = try RTSPSource(options: options, abort: AbortSwitch())
        source.give(.play(RTSPPlayRequest(start: .zero)))
        while let item = source.queue.take(until: .now + .seconds(10)) {
            if case .described = item { source.give(.setUp([0])) }
            if case .playing = item { return source }
        }
        Issue.record("it does not play")
        return source
    }

    @Test("a session that is over neither takes nor gives, whatever it is told")
    func nobodyIsThere() throws {
        let server = ScriptedRTSPServer { peer in
            guard let play = peer.begin() else { return }
            peer.answer(play, .ok, [(.session, "1")])
        }
        let source = try play(server)
        server.join()
        let deadline = Instant.now + .seconds(20)
        while !source.queue.isClosed, Instant.now < deadline { _ = source.queue.take(until: .now + .milliseconds(10)) }
        let (taken, given) = (RTSPTwinFeed(flows: [0], policy: .init()), RTSPTwinFeed(flows: [0], policy: .init()))
        source.give(.merge(taken))
        #expect(!taken.put(block(10)))
        source.give(.tap(given))
        guard case .ended = given.take().first else {
            Issue.record("the end is not told")
            return
        }
    }

    @Test("what one session loses comes from the other")
    func twoSessions() throws {
        let limit = Guarded(0)
        let first = server(from: 65_000, ssrc: 7, upTo: limit) { $0 % 10 == 5 }
        let second = server(from: 300, ssrc: 9, upTo: limit) { $0 % 10 == 2 }
        do {
            let (played, other) = (try play(first), try play(second))
            // As long as a slow machine may need.
            let policy = RTPTwin.Policy(hold: .seconds(9), memory: .seconds(10), settling: .seconds(9))
            let feed = RTSPTwinFeed(flows: [0], policy: policy)
            played.give(.merge(feed))
            other.give(.tap(feed))
            // What is asked for is done in order, and before packets are read that come later.
            limit.withLockAndWake { $0 = Self.whole }
            var (number, filled, lost) = (0, 0, 0)
            var findings: [RTPTwin.Finding] = []
            while number < 590, let item = played.queue.take(until: .now + .seconds(10)) {
                if case .twin(_, let finding) = item {
                    findings.append(finding)
                    limit.withLockAndWake { $0 = max($0, number + Self.ahead) }
                }
                guard case .packets(let block) = item else { continue }
                for entry in block.entries {
                    lost += entry.lostBefore
                    number += entry.lostBefore
                    let bytes = Array(block.bytes[entry.start..<entry.start + entry.count])
                    #expect(bytes == Self.packet(number, from: 65_000, ssrc: 7), "\(number)")
                    #expect(entry.isFilled == (number >= Self.whole && number % 10 == 5), "\(number)")
                    if entry.isFilled { filled += 1 }
                    number += 1
                }
                if !findings.isEmpty { limit.withLockAndWake { $0 = max($0, number + Self.ahead) } }
            }
            #expect(number >= 590 && lost == 0, "\(number) \(lost)")
            #expect(filled == (Self.whole..<number).count { $0 % 10 == 5 }, "\(filled)")
            #expect(findings.count == 1, "\(findings)")
            // The feed ends with the session that gives.
            other.give(.close)
        }
        first.join()
        second.join()
    }
}
