internal import Testing
internal import ThroughlineCore
internal import ThroughlineLab
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// An RTSP origin as a client sees it that looks at every byte.
@Suite(.timeLimit(.minutes(25)))
struct RTSPOriginTests {
    func origin(
        _ file: String = "main.mkv", faults: String..., configure: (inout RTSPOrigin.Options) -> Void = { _ in }
    ) async throws -> RTSPOrigin {
        var options = RTSPOrigin.Options()
        options.pace = Rate(100)
        options.seed = 7
        configure(&options)
        return try await RTSPOrigin.start(
            serving: ["/\(file)": "\(LabFixtures.path)/\(file)"], faults: faults.map { try Fault(parsing: $0) },
            options: options)
    }

    @Test func converses() async throws {
        let origin = try await origin()
        try await blocking {
            let client = try RTSPTestClient(origin)
            #expect(try client.ask(.options).headers.methods.contains(.play))
            let answer = try client.ask(.describe, "", [(.accept, "application/sdp")])
            let description = try #require(SessionDescription(parsing: answer.body))
            #expect(answer.headers[.contentBase] == client.url + "/")
            #expect(description.range?.startTime == .zero)
            #expect(description.media.map(\.media) == ["video", "audio", "audio"])
            #expect(description.media.map(\.control) == ["stream=0", "stream=1", "stream=2"])
            #expect(description.media.map(\.language) == [nil, "eng", "deu"])
            #expect(description.media[0].preferredMap?.encoding == "H264")
            #expect(description.media[0].formatParameters(for: 96)?.contains("sprop-parameter-sets=") ?? false)
            #expect(description.media[1].preferredMap?.clockRateHz == 48_000)
            #expect(description.media[1].formatParameters(for: 97)?.contains("config=") ?? false)
            // Nothing without a session.
            #expect(try client.ask(.play).status == .sessionNotFound)
            try client.setUp(0)
            #expect(try client.ask(.play, "", [(.session, "no-such")]).status == .sessionNotFound)
            #expect(try client.ask(.getParameter).status == .ok)
            #expect(try client.ask(.record).status == .methodNotAllowed)
            #expect(try client.ask(RTSPMethod(rawValue: "DANCE")).status == .notImplemented)
            #expect(try client.ask(.options, "", [(.require, "no.such.feature")]).status == .optionNotSupported)
            #expect(try client.ask(.setup, "/stream=9", [(.transport, "RTP/AVP/TCP")]).status == .notFound)
            #expect(
                try client.ask(.setup, "/stream=1", [(.transport, "RTP/AVP;multicast")]).status
                    == .unsupportedTransport)
            #expect(try client.play("npt=99-").status == .invalidRange)
            #expect(try client.ask(.teardown).status == .ok)
            #expect(try client.ask(.play).status == .sessionNotFound)
        }
    }

    @Test func answersInOrder() async throws {
        let origin = try await origin(faults: "delay=30ms:describe,once")
        try await blocking {
            let client = try RTSPTestClient(origin)
            for method in [RTSPMethod.describe, .options, .describe, .getParameter] { client.send(method) }
            #expect(try (0..<4).map { _ in try client.answer().headers.cseq } == [1, 2, 3, 4])
        }
    }

    @Test(arguments: [("7.3", Int64(6)), ("6", 6), ("5.99", 4), ("0", 0), ("11.9", 10), ("0:00:02.5", 2)])
    func beginsAtTheKeyFrame(asked: String, key: Int64) async throws {
        let origin = try await origin()
        try await blocking {
            let whole = try WholePlay(origin)
            #expect(whole.pieces.map(\.count)[1...] == [564, 518])
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1, 2)
            let answer = try client.play("npt=\(asked)-")
            #expect(answer.headers.range?.startTime == .seconds(key))
            #expect(answer.headers.range?.endTime == origin.duration(of: "/main.mkv"))
            client.readToEnd(flows: 3)
            for (flow, rate) in [(0, Int64(90_000)), (1, 48_000), (2, 44_100)] {
                let mine = WholePlay.of(client.packets, answer, flow: flow, npt: key, rate: rate)
                let all = whole.pieces[flow]
                // The tail of the whole, to the tick and to the byte.
                #expect(mine.count <= all.count && mine == Array(all.suffix(mine.count)), "flow \(flow)")
                let packets = client.packets(of: flow)
                #expect(answer.info(flow)?.sequence == packets.first?.sequence)
                #expect(zip(packets, packets.dropFirst()).allSatisfy { $1.sequence == $0.sequence &+ 1 })
                if flow == 0 {
                    #expect(answer.info(0)?.timestamp == packets.first?.timestamp)
                } else if key > 0 {
                    // The frame that sounds at the start, and none before it.
                    let first = Int64(mine.first?.ticks ?? 0)
                    #expect((key * rate - 1100...key * rate).contains(first))
                }
            }
        }
    }

    @Test func endsWhereAsked() async throws {
        let origin = try await origin()
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1)
            let answer = try client.play("npt=2-3.5")
            #expect(answer.headers.range == .npt(from: .seconds(2), to: .milliseconds(3500)))
            client.readToEnd(flows: 2)
            let sound = WholePlay.of(client.packets, answer, flow: 1, npt: 2, rate: 48_000)
            #expect(sound.last.map { (168_000 - 1100..<168_000).contains(Int($0.ticks)) } ?? false)
            let pictures = Set(
                WholePlay.of(client.packets, answer, flow: 0, npt: 2, rate: 90_000).map { Int($0.ticks) })
            #expect(pictures.isSuperset(of: (0..<38).map { 180_000 + $0 * 3600 }))
            // No more than the pictures that the last ones are made from.
            #expect(pictures.count <= 42)
        }
    }

    @Test func timestampsGoOnOverSeeks() async throws {
        let origin = try await origin()
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1)
            _ = try client.play("npt=8-9")
            client.readToEnd(flows: 2)
            let last = [0, 1].map { flow in client.packets(of: flow).map(\.timestamp) }
            let sequence = client.packets(of: 0).last?.sequence ?? 0
            let source = client.packets.first?.ssrc
            let answer = try client.play("npt=2-3")
            client.readToEnd(flows: 2)
            #expect(client.packets(of: 0).first?.sequence == sequence &+ 1)
            #expect(client.packets(of: 0).allSatisfy { $0.ssrc == source })
            for flow in [0, 1] {
                let begin = try #require(answer.info(flow)?.timestamp)
                #expect(last[flow].allSatisfy { Int32(bitPattern: begin &- $0) > 0 })
            }
        }
    }

    @Test func seeksWhilePlaying() async throws {
        let origin = try await origin { $0.pace = Rate(4) }
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1)
            _ = try client.play("npt=0-")
            client.read { $0.packets.count >= 20 }
            let answer = try client.play("npt=6-6.5")
            #expect(answer.headers.range?.startTime == .seconds(6))
            let before = client.packetsBeforeAnswer
            client.readToEnd(flows: 2)
            // Nothing of the old position comes after the answer.
            let first = client.packets.dropFirst(before).first { $0.flow == 0 }
            #expect(first?.sequence == answer.info(0)?.sequence)
            #expect(first?.timestamp == answer.info(0)?.timestamp)
        }
    }

    @Test func resumesWithTheNextPacket() async throws {
        let origin = try await origin { $0.pace = Rate(4) }
        try await blocking {
            let whole = try WholePlay(origin)
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1, 2)
            let answer = try client.play()
            for _ in 0..<5 {
                let count = client.packets.count
                client.read { $0.packets.count >= count + 60 }
                #expect(try client.ask(.pause).status == .ok)
                // On a machine that is very busy it was over before.
                if client.goodbyes > 0 { break }
                let before = client.packets
                // Paused is paused: nothing comes but the answer.
                #expect(try client.ask(.getParameter).status == .ok)
                #expect(client.packets == before)
                let resumed = try client.ask(.play)
                for flow in 0..<3 {
                    let info = try #require(resumed.info(flow))
                    #expect(info.sequence == before.last { $0.flow == flow }.map { $0.sequence &+ 1 })
                    // The same clock: the timestamp of the NPT that the answer names.
                    let npt = try #require(resumed.headers.range?.startTime)
                    let base = try #require(answer.info(flow)?.timestamp)
                    let rate: [Int32] = [90_000, 48_000, 44_100]
                    let ticks = npt.value(in: TimeBase(1, rate[flow]))
                    #expect(info.timestamp == base &+ UInt32(truncatingIfNeeded: ticks))
                }
            }
            client.readToEnd(flows: 3)
            for (flow, rate) in [(0, Int64(90_000)), (1, 48_000), (2, 44_100)] {
                #expect(WholePlay.of(client.packets, answer, flow: flow, rate: rate) == whole.pieces[flow])
            }
        }
    }

    @Test(arguments: [("2", Int32(2), Int32(1)), ("0.5", 1, 2)])
    func scales(header: String, up: Int32, down: Int32) async throws {
        let origin = try await origin()
        try await blocking {
            let whole = try WholePlay(origin)
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1)
            let answer = try client.play("npt=2-", [(.scale, header)])
            #expect(answer.headers.scale == Rate(up, down))
            client.readToEnd(flows: 2)
            let mine = WholePlay.of(client.packets, answer, flow: 0, rate: 90_000)
            let all = whole.pieces[0].suffix(mine.count)
            #expect(mine.map(\.payload) == all.map(\.payload))
            #expect(mine.map { Int64($0.ticks) * Int64(up) } == all.map { (Int64($0.ticks) - 180_000) * Int64(down) })
        }
    }

    @Test func playsKeyFramesBackwards() async throws {
        let origin = try await origin()
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1)
            let answer = try client.play("npt=7-", [(.scale, "-2")])
            #expect(answer.headers.scale == Rate(-2))
            #expect(answer.headers[.range] == "npt=6.000-0.000")
            client.readToEnd(flows: 1)
            let ticks = WholePlay.of(client.packets, answer, flow: 0, rate: 90_000).map(\.ticks)
            #expect(Set(ticks) == [0, 90_000, 180_000, 270_000])
            #expect(ticks == ticks.sorted())
            #expect(client.packets(of: 1).isEmpty)
        }
    }

    @Test func speedChangesNoTimestamp() async throws {
        let origin = try await origin { $0.pace = Rate(10) }
        try await blocking {
            let whole = try WholePlay(origin)
            let client = try RTSPTestClient(origin)
            try client.setUp(0)
            let answer = try client.play("npt=0-", [(.speed, "8")])
            #expect(answer.headers.speed == Rate(8))
            client.readToEnd(flows: 1)
            #expect(WholePlay.of(client.packets, answer, flow: 0, rate: 90_000) == whole.pieces[0])
        }
    }

    @Test func paces() async throws {
        let origin = try await origin { $0.pace = Rate(10) }
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1)
            let began = Instant.now
            _ = try client.play("npt=0-4")
            client.readToEnd(flows: 2)
            let took = Instant.now - began
            // 4 s of media, ten times as fast, 50 ms ahead.
            #expect(took > .milliseconds(330))
        }
    }

    @Test func reportsAreTrue() async throws {
        let origin = try await origin {
            $0.pace = .normal
            $0.reportInterval = .milliseconds(100)
        }
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1)
            let answer = try client.play("npt=0-1")
            client.readToEnd(flows: 2)
            for (flow, rate) in [(0, Int32(90_000)), (1, 48_000)] {
                let reports = client.reports.compactMap { entry -> RTCPPacket.SenderReport? in
                    guard entry.flow == flow, case .senderReport(let report, _) = entry.packet else { return nil }
                    return report
                }
                #expect(reports.count >= 2)
                let first = try #require(reports.first)
                let ssrc = client.packets(of: flow).first?.ssrc
                for report in reports {
                    #expect(report.ssrc == ssrc)
                    // Both clocks go at one speed, to the tick and what rounding takes.
                    let wall = SenderClock.time(ntp: report.ntpTime) - SenderClock.time(ntp: first.ntpTime)
                    let ticks = Int64(Int32(bitPattern: report.rtpTime &- first.rtpTime))
                    #expect(abs(wall.value(in: TimeBase(1, rate)) - ticks) <= Int64(rate) / 1000)
                }
                let base = try #require(answer.info(flow)?.timestamp)
                #expect(Int32(bitPattern: first.rtpTime &- base) < rate / 2)
                #expect(reports.last?.packetCount == UInt32(client.packets(of: flow).count))
            }
        }
    }

    @Test func deliversByDatagram() async throws {
        let origin = try await origin { $0.pace = Rate(20) }
        try await blocking {
            let whole = try WholePlay(origin)
            let client = try RTSPTestClient(origin)
            let ports = try UDPTestPorts()
            let answer = try client.ask(
                .setup, "/stream=0", [(.transport, RTSPTransport.udp(clientPorts: ports.range).description)])
            let transport = try #require(answer.headers.transport?.alternatives.first)
            let server = try #require(transport.serverPorts)
            #expect(server.lowerBound % 2 == 0 && server.count == 2)
            let played = try client.play("npt=0-2")
            var packets: [RTSPTestClient.RTP] = []
            while let bytes = ports.receive(), let packet = RTSPTestClient.RTP(bytes, flow: 0) {
                packets.append(packet)
                if packets.count == 60 { break }
            }
            let mine = WholePlay.of(packets, played, flow: 0, rate: 90_000)
            #expect(mine == Array(whole.pieces[0].prefix(mine.count)))
            #expect(packets.first?.ssrc == transport.ssrc)
        }
    }

    @Test func sessionsExpire() async throws {
        let origin = try await origin {
            $0.timeout = .seconds(2)
            $0.pace = .normal
        }
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0)
            _ = try client.play()
            // Signs of life keep it.
            let end = Instant.now + .milliseconds(2500)
            while Instant.now < end {
                client.read { $0.packets.count % 5 == 4 || Instant.now > end }
                #expect(try client.ask(.getParameter).status == .ok)
                client.forget()
            }
            // Then it goes quiet.
            client.patience(.milliseconds(2500))
            client.read { _ in false }
            #expect(client.ending == .silence && client.goodbyes == 0)
        }
    }

    /// Set up and forgotten: over UDP there is nothing but the timeout to end it.
    @Test func idleSessionsExpire() async throws {
        let origin = try await origin { $0.timeout = .milliseconds(100) }
        try await blocking {
            let client = try RTSPTestClient(origin, patience: .milliseconds(250))
            try client.setUp(0)
            client.read { _ in false }
            #expect(client.ending == .silence)
            let other = try RTSPTestClient(origin)
            #expect(try other.ask(.play, "", [(.session, client.session ?? "")]).status == .sessionNotFound)
        }
    }

    @Test func manySessionsAtOnce() async throws {
        let origin = try await origin { $0.pace = Rate(30) }
        try await blocking {
            let whole = try WholePlay(origin)
            let clients = try (0..<20).map { _ in try RTSPTestClient(origin) }
            var answers: [RTSPResponse] = []
            for client in clients {
                try client.setUp(0, 1)
                answers.append(try client.play())
            }
            for (client, answer) in zip(clients, answers) {
                client.readToEnd(flows: 2)
                #expect(WholePlay.of(client.packets, answer, flow: 0, rate: 90_000) == whole.pieces[0])
            }
            #expect(Set(clients.compactMap(\.session)).count == 20)
            #expect(Set(clients.compactMap { $0.packets.first?.ssrc }).count == 20)
        }
    }

    @Test func flowsApart() async throws {
        let origin = try await origin()
        try await blocking {
            let client = try RTSPTestClient(origin)
            try client.setUp(0, 1)
            #expect(try client.ask(.play, "/stream=1").status == .onlyAggregateOperationAllowed)
            #expect(try client.ask(.teardown, "/stream=0").status == .ok)
            let answer = try client.ask(.play, "/stream=1", [(.range, "npt=5-")])
            #expect(answer.headers.range?.startTime == .seconds(5))
            client.readToEnd(flows: 1)
            #expect(client.packets(of: 0).isEmpty && !client.packets(of: 1).isEmpty)
        }
    }

    @Test(arguments: [RTSPCredentials.Scheme.basic, .digest])
    func wantsCredentials(scheme: RTSPCredentials.Scheme) async throws {
        let origin = try await origin {
            $0.credentials = RTSPCredentials(user: "viewer", password: "se:cret", scheme: scheme)
        }
        try await blocking {
            let client = try RTSPTestClient(origin)
            #expect(try client.ask(.options).status == .ok)
            let refused = try client.ask(.describe)
            #expect(refused.status == .unauthorized)
            let challenge = try #require(
                RTSPChallenge.strongest(of: refused.headers.challenges, supporting: [.md5]))
            for (password, status) in [("se:cret", RTSPStatus.ok), ("wrong", .unauthorized)] {
                var authorizer = RTSPAuthorizer(challenge: challenge, user: "viewer", password: password)
                let value = authorizer.authorization(method: .describe, uri: client.url, clientNonce: "0a4f113b") {
                    MessageDigest.hex(of: $1, algorithm: "MD5") ?? ""
                }
                #expect(try client.ask(.describe, "", [(.authorization, value)]).status == status)
            }
        }
    }
}
