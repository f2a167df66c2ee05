internal import Testing
internal import ThroughlineCore
internal import ThroughlineLab
internal import ThroughlineProtocols

/// Every fault of an RTSP origin over real sockets.
@Suite(.timeLimit(.minutes(25)))
struct RTSPFaultTests {
    func origin(
        _ faults: String..., configure: (inout RTSPOrigin.Options) -> Void = { _ in }
    ) async throws -> RTSPOrigin {
        var options = RTSPOrigin.Options()
        options.pace = Rate(100)
        options.seed = 7
        configure(&options)
        return try await RTSPOrigin.start(
            serving: ["/main.mkv": "\(LabFixtures.path)/main.mkv"], faults: faults.map { try Fault(parsing: $0) },
            options: options)
    }

    /// Sets two flows up and plays.
    func playing(_ origin: RTSPOrigin, _ range: String? = nil, patience: Duration = .seconds(20)) throws
        -> (RTSPTestClient, RTSPResponse)
    {
        let client = try RTSPTestClient(origin, patience: patience)
        try client.setUp(0, 1, 2)
        return (client, try client.play(range))
    }

    @Test(arguments: [0, 1000, 25_000, 100_001])
    func breaksAtTheByte(place: Int) async throws {
        let healthy = try await origin()
        let resetting = try await origin("reset@byte=\(place)")
        let closing = try await origin("close@byte=\(place)")
        try await blocking {
            let whole = try WholePlay(healthy)
            let count = whole.offsets.count { $0 <= place } - 1
            for (origin, ending) in [(resetting, RawClient.Ending.reset), (closing, .closed)] {
                // Again and again: the fault lasts.
                for _ in 0..<2 {
                    let (client, _) = try playing(origin)
                    client.read { _ in false }
                    #expect(client.ending == ending)
                    #expect(client.packets.count == count)
                }
                // Who wants no media is spared.
                let client = try RTSPTestClient(origin)
                #expect(try client.ask(.describe).status == .ok)
            }
        }
    }

    @Test func breaksOnceAtAnNPT() async throws {
        let origin = try await origin("reset@npt=5,once")
        try await blocking {
            let (client, answer) = try playing(origin)
            client.read { _ in false }
            #expect(client.ending == .reset)
            let pictures = WholePlay.of(client.packets, answer, flow: 0, rate: 90_000).map(\.ticks)
            #expect((pictures.max() ?? 0) < 450_000 && (pictures.max() ?? 0) >= 432_000)
            let (second, _) = try playing(origin, "npt=4-")
            second.readToEnd(flows: 3)
            #expect(second.goodbyes == 3)
        }
    }

    @Test func stallsAndGoesOn() async throws {
        let origin = try await origin("stall@npt=5")
        try await blocking {
            let (client, _) = try playing(origin, patience: .milliseconds(300))
            client.read { _ in false }
            #expect(client.ending == .silence)
            #expect(client.goodbyes == 0 && !client.packets.isEmpty)
        }
        try await blocking {
            let (client, _) = try playing(origin, "npt=0-")
            // Requests are answered still.
            #expect(try client.ask(.getParameter).status == .ok)
            origin.heal()
            client.readToEnd(flows: 3)
            #expect(client.goodbyes == 3)
        }
    }

    @Test func diesWithoutAWord() async throws {
        let origin = try await origin("stall@npt=5", "silent")
        try await blocking {
            let (client, _) = try playing(origin, patience: .milliseconds(300))
            client.read { _ in false }
            #expect(client.ending == .silence)
            let other = try RTSPTestClient(origin, patience: .milliseconds(200))
            #expect(throws: (any Error).self) { try other.ask(.options) }
            origin.heal()
        }
    }

    @Test func refusesAndComesBack() async throws {
        let origin = try await origin("reset@npt=2", "refuse")
        try await blocking {
            let (client, _) = try playing(origin)
            client.read { _ in false }
            #expect(RawClient.isRefused(port: origin.port))
        }
        try await origin.revive()
        try await blocking {
            let client = try RTSPTestClient(origin)
            #expect(try client.ask(.options).status == .ok)
        }
    }

    @Test func delays() async throws {
        let origin = try await origin("delay=150ms:play")
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0)
            _ = try client.play()
            let waits = origin.log.map { ($0.answeredAt ?? .never) - $0.receivedAt }
            #expect(waits.count == 2 && waits[0] < .milliseconds(140) && waits[1] >= .milliseconds(150))
        }
    }

    @Test func throttles() async throws {
        let origin = try await origin("throttle=200k")
        try await blocking {
            let began = Instant.now
            let (client, _) = try playing(origin, "npt=0-4")
            client.readToEnd(flows: 3)
            let bytes = client.packets.reduce(0) { $0 + $1.payload.count + 12 }
            // Less 50 ms of burst, and one packet.
            #expect(Instant.now - began > .milliseconds(Int64(bytes) / 200 - 60))
        }
    }

    @Test func refusesMethods() async throws {
        let origin = try await origin(
            "status=453:setup,once", "status=503:play,retry-after=3,once", "status=454:pause,once")
        try await blocking {
            let client = try RTSPTestClient(origin)
            #expect(try client.ask(.describe).status == .ok)
            let transport = RTSPTransport.interleaved(0...1).description
            #expect(try client.ask(.setup, "/stream=0", [(.transport, transport)]).status.code == 453)
            try client.setUp(0)
            let refused = try client.play()
            #expect(refused.status.code == 503)
            #expect(refused.headers.retryAfter == .seconds(3))
            #expect(try client.play().status == .ok)
            #expect(try client.ask(.pause).status.code == 454)
            #expect(try client.ask(.pause).status == .ok)
        }
    }

    @Test func endsConnectionsAtAMethod() async throws {
        let origin = try await origin("reset:play,once", "close:play,once@requests=1")
        try await blocking {
            for ending in [RawClient.Ending.reset, .closed] {
                let client = try RTSPTestClient(origin)
                try client.setUp(0)
                #expect(throws: (any Error).self) { try client.play() }
                #expect(client.ending == ending)
            }
        }
    }

    @Test func sendsElsewhere() async throws {
        let origin = try await origin("status=301,location=rtsp://127.0.0.1:9/other")
        try await blocking {
            let client = try RTSPTestClient(origin)
            let answer = try client.ask(.describe)
            #expect(answer.status == .movedPermanently)
            #expect(answer.headers.location == "rtsp://127.0.0.1:9/other")
            #expect(try client.ask(.options).status == .ok)
        }
    }

    @Test func losesSessions() async throws {
        let origin = try await origin("session-lost@npt=5")
        try await blocking {
            let (client, _) = try playing(origin)
            client.patience(.milliseconds(300))
            client.read { _ in false }
            #expect(client.ending == .silence && client.goodbyes == 0)
        }
        try await blocking {
            let (client, _) = try playing(origin, "npt=0-3")
            client.readToEnd(flows: 3)
            origin.inject(Fault(.rtsp(.sessionLost)))
            #expect(try client.ask(.play).status == .sessionNotFound)
            origin.heal()
        }
    }

    @Test(arguments: [
        ("redirect=rtsp://127.0.0.1:9/x,range=6", RTSPMethod.redirect), ("announce=2101", .announce),
        ("notify=end-of-stream", .playNotify), ("teardown", .teardown),
    ])
    func asksTheClient(text: String, method: RTSPMethod) async throws {
        let origin = try await origin("\(text)@npt=5")
        try await blocking {
            let (client, _) = try playing(origin)
            if method == .teardown {
                client.read { !$0.requests.isEmpty }
            } else {
                // The media go on.
                client.readToEnd(flows: 3)
            }
            #expect(client.requests.map(\.method) == [method])
            let request = try #require(client.requests.first)
            #expect(request.headers.session?.id == client.session)
            #expect(request.headers.cseq == 1)
            switch method {
            case .redirect:
                #expect(request.headers.location == "rtsp://127.0.0.1:9/x")
                #expect(request.headers.range == .npt(from: .seconds(6)))
            case .announce: #expect(request.headers.notice?.code == .endOfStream)
            case .playNotify: #expect(request.headers.notifyReason == "end-of-stream")
            default: #expect(try client.ask(.getParameter).status == .sessionNotFound)
            }
        }
    }

    /// Also those who do not play are told.
    @Test func tellsPausedClients() async throws {
        let origin = try await origin()
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0)
            origin.inject(Fault(.rtsp(.redirect("rtsp://127.0.0.1:9/x"))))
            client.read { !$0.requests.isEmpty }
            #expect(client.requests.map(\.method) == [.redirect])
        }
    }

    @Test func saysGoodbyeEarly() async throws {
        let origin = try await origin("bye@npt=5")
        try await blocking {
            let (client, answer) = try playing(origin)
            client.readToEnd(flows: 3)
            let last = WholePlay.of(client.packets, answer, flow: 0, rate: 90_000).map(\.ticks).max() ?? 0
            #expect(last < 450_000)
            #expect(try client.ask(.getParameter).status == .ok)
        }
    }

    @Test func endsShort() async throws {
        let origin = try await origin("short@50%")
        try await blocking {
            let (client, _) = try playing(origin)
            client.readToEnd(flows: 3)
            #expect(client.ending == .complete && client.goodbyes == 3)
        }
    }

    @Test func changesItsSource() async throws {
        let origin = try await origin("new-source@npt=5")
        try await blocking {
            let (client, _) = try playing(origin)
            client.readToEnd(flows: 3)
            for flow in 0..<3 { #expect(Set(client.packets(of: flow).map(\.ssrc)).count == 2) }
        }
    }

    @Test func closesItsPorts() async throws {
        let origin = try await origin()
        try await blocking {
            let client = try RTSPTestClient(origin)
            let ports = try UDPTestPorts()
            let answer = try client.ask(
                .setup, "/stream=0", [(.transport, RTSPTransport.udp(clientPorts: ports.range).description)])
            let server = try #require(answer.headers.transport?.alternatives.first?.serverPorts)
            _ = try client.play()
            #expect(ports.receive() != nil)
            #expect(!ports.isRefused(by: server.upperBound))
            origin.inject(Fault(.rtsp(.closePorts)))
            #expect(ports.isRefused(by: server.lowerBound) && ports.isRefused(by: server.upperBound))
        }
    }

    @Test func losesPackets() async throws {
        let healthy = try await origin()
        let losing = try await origin("loss=20%")
        try await blocking {
            let whole = try WholePlay(healthy).pieces[1]
            let (client, answer) = try playing(losing)
            client.readToEnd(flows: 3)
            let mine = WholePlay.of(client.packets, answer, flow: 1, rate: 48_000)
            #expect((400..<500).contains(mine.count))
            #expect(mine.allSatisfy { whole.contains($0) })
            // What is lost is missing from the numbers too.
            let numbers = client.packets(of: 1).map(\.sequence)
            #expect(Int((numbers.last ?? 0) &- (numbers.first ?? 0)) > mine.count)
        }
    }

    /// The same seed, the same losses.
    @Test func losesTheSameAgain() async throws {
        let origins = [
            try await origin("loss=20%"), try await origin("loss=20%"), try await origin("loss=20%") { $0.seed = 8 },
        ]
        try await blocking {
            let runs = try origins.map { origin in
                let (client, answer) = try playing(origin)
                client.readToEnd(flows: 3)
                return WholePlay.of(client.packets, answer, flow: 1, rate: 48_000)
            }
            #expect(runs[0] == runs[1])
            #expect(runs[0] != runs[2])
        }
    }

    @Test func mixesUpPackets() async throws {
        let healthy = try await origin()
        let mixing = try await origin("reorder=20%")
        let doubling = try await origin("duplicate=20%")
        try await blocking {
            let whole = try WholePlay(healthy).pieces[1]
            var (client, answer) = try playing(mixing)
            client.readToEnd(flows: 3)
            var mine = WholePlay.of(client.packets, answer, flow: 1, rate: 48_000)
            #expect(mine != whole)
            #expect(mine.sorted { $0.ticks < $1.ticks } == whole)
            (client, answer) = try playing(doubling)
            client.readToEnd(flows: 3)
            mine = WholePlay.of(client.packets, answer, flow: 1, rate: 48_000)
            #expect(mine.count > 600)
            #expect(zip(mine, mine.dropFirst()).count { $0 == $1 } == mine.count - whole.count)
        }
    }

    @Test func putsGarbageBetweenFrames() async throws {
        let origin = try await origin("garbage=100@npt=5")
        try await blocking {
            let (client, answer) = try playing(origin)
            client.readToEnd(flows: 3)
            #expect(client.skippedBytes == 100)
            #expect(WholePlay.of(client.packets, answer, flow: 1, rate: 48_000).count == 564)
        }
    }

    @Test func jumps() async throws {
        let origin = try await origin("sequence-jump=1000@npt=5", "timestamp-jump=10s@npt=7")
        try await blocking {
            let (client, _) = try playing(origin)
            client.readToEnd(flows: 3)
            let packets = client.packets(of: 1)
            let steps = zip(packets, packets.dropFirst()).map { $1.sequence &- $0.sequence }
            #expect(steps.filter { $0 != 1 } == [1001])
            let leaps = zip(packets, packets.dropFirst()).map { $1.timestamp &- $0.timestamp }.filter { $0 > 2000 }
            #expect(leaps.count == 1 && (480_000...482_000).contains(leaps.first ?? 0))
        }
    }

    @Test func freezesTimestamps() async throws {
        let origin = try await origin("frozen-timestamps@npt=5")
        try await blocking {
            let (client, _) = try playing(origin)
            client.readToEnd(flows: 3)
            let packets = client.packets(of: 1)
            #expect(packets.count == 564)
            #expect((230...240).contains(Set(packets.map(\.timestamp)).count))
        }
    }

    @Test func answersWrongly() async throws {
        let without = try await origin("no-rtp-info", "no-range")
        let wrong = try await origin("wrong-rtp-info")
        let late = try await origin("late=2s")
        try await blocking {
            var (client, answer) = try playing(without)
            #expect(answer.status == .ok && answer.headers.rtpInfo == nil && answer.headers.range == nil)
            (client, answer) = try playing(wrong)
            client.readToEnd(flows: 3)
            let first = try #require(client.packets(of: 0).first)
            #expect(answer.info(0)?.sequence == first.sequence &+ 1000)
            #expect(answer.info(0)?.timestamp == first.timestamp &+ 9_000_000)
            (client, answer) = try playing(late, "npt=4-")
            #expect(answer.headers.range?.startTime == .seconds(6))
        }
    }

    @Test func killsAndRevives() async throws {
        let origin = try await origin { $0.pace = .normal }
        try await blocking {
            let (client, _) = try playing(origin)
            origin.kill()
            client.read { _ in false }
            #expect(client.ending == .reset)
            #expect(RawClient.isRefused(port: origin.port))
        }
    }

    @Test func httpWantsNoneOfIt() async throws {
        await #expect(throws: OriginError.self) {
            try await HTTPOrigin.start(serving: ["/a": "/b"], faults: [Fault(.rtsp(.bye))])
        }
    }
}
