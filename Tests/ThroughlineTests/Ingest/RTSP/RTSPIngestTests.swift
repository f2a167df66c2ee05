internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

@testable internal import Throughline

/// An RTSP session that is read as an ingest, on a machine that has other things to do.
@Suite(.timeLimit(.minutes(25))) struct RTSPIngestTests {
    typealias Peer = ScriptedRTSPServer.Peer

    /// Whether so many packets come.
    private func reads(_ count: Int, of ingest: RTSPIngest) throws -> Bool {
        for _ in 0..<count { guard try ingest.read() != nil else { return false } }
        return true
    }

    @Test("What is there while the session's thread has no turn is no silence of the server")
    func noTurn() throws {
        let (goesOn, standsStill) = (Guarded(false), Guarded(false))
        let server = ScriptedRTSPServer { peer in
            guard let play = peer.begin() else { return }
            peer.answer(play, .ok, [(.session, "1")])
            for number in 0..<250 {
                if number == 50 { _ = goesOn.wait(until: .now + .seconds(10)) { $0 ? () : nil } }
                peer.send(Peer.frame(Peer.packet(number, byteCount: 172)))
            }
            peer.goOn()
        }
        let session = ListeningSupervisor(url: server.url)
        do {
            let ingest = try RTSPIngest(Self.request, supervisor: session, abort: AbortSwitch())
            ingest.opened()
            #expect(try reads(50, of: ingest))
            // With the next packet in its hands the thread stands still for a while.
            let feed = RTSPTwinFeed(flows: [0], policy: .init())
            feed.watch {
                let isFirst = standsStill.withLockAndWake { standsStill in
                    defer { standsStill = true }
                    return !standsStill
                }
                if isFirst { usleep(250_000) }
            }
            _ = feed.mayRest(isAwaiting: true)
            ingest.twinEnd?.commands.give(.tap(feed))
            goesOn.withLockAndWake { $0 = true }
            #expect(standsStill.wait(until: .now + .seconds(20)) { $0 ? true : nil } ?? false)
            session.leaves = { silence, _ in silence >= .milliseconds(100) }
            #expect(try reads(100, of: ingest))
        }
        server.join()
    }

    private static var request: IngestRequest {
        var request = IngestRequest(origin: OriginID(0))
        request.transport = .tcp
        return request
    }

    private func ingest(_ session: ListeningSupervisor) throws -> RTSPIngest {
        let ingest = try RTSPIngest(Self.request, supervisor: session, abort: AbortSwitch())
        ingest.opened()
        return ingest
    }

    @Test("A server that passes over a second PLAY is asked in another session, and in a third at once")
    func onePlayForEachSession() throws {
        let ranges = Guarded<[String]>([])
        let server = ScriptedRTSPServer(connections: 3) { peer in
            guard let play = peer.begin() else { return }
            ranges.withLock { $0.append(play.headers[.range] ?? "") }
            peer.answer(play, .ok, [(.session, "1"), (.range, play.headers[.range] ?? "")])
            for number in 0..<50 { peer.send(Peer.frame(Peer.packet(number, byteCount: 172))) }
            while let request = peer.request() {
                if request.method != .play { peer.answer(request, .ok, [(.session, "1")]) }
            }
        }
        let session = ListeningSupervisor(url: server.url)
        do {
            let ingest = try ingest(session)
            #expect(try reads(40, of: ingest))
            for seconds in [30, 20] as [Int64] {
                try ingest.seek(to: .seconds(seconds), anyPacket: true)
                let first = try ingest.read()?.pts
                #expect(first == .seconds(seconds))
                #expect(try reads(30, of: ingest))
            }
            #expect(ingest.takeFindings().map(\.text).contains { $0.contains("second PLAY") })
        }
        server.join()
        #expect(ranges.withLock { $0 } == ["npt=0.000-", "npt=30.000-", "npt=20.000-"])
    }

    @Test("A flow that brings nothing, or that was refused, does not hold up the end", arguments: [false, true])
    func goodbyeOfAllThatSent(isRefused: Bool) throws {
        let server = ScriptedRTSPServer { peer in
            let media = "m=audio 0 RTP/AVP 0\r\na=control:flow\r\nm=audio 0 RTP/AVP 8\r\na=control:mute\r\n"
            guard let play = peer.begin(range: "now-", media: media, refused: isRefused ? "mute" : nil) else { return }
            peer.answer(play, .ok, [(.session, "1")])
            for number in 0..<20 { peer.send(Peer.frame(Peer.packet(number, byteCount: 172))) }
            peer.send(Peer.frame(RTCPPacket.compound([.bye(ssrcs: [7], reason: nil)]), channel: 1))
            peer.goOn()
        }
        do {
            let ingest = try ingest(ListeningSupervisor(url: server.url))
            var count = 0
            while try ingest.read() != nil { count += 1 }
            #expect(count == 20)
        }
        server.join()
    }

    @Test("A server that sends nothing more is left in time")
    func silent() throws {
        let server = ScriptedRTSPServer { peer in
            guard let play = peer.begin() else { return }
            peer.answer(play, .ok, [(.session, "1")])
            for number in 0..<20 { peer.send(Peer.frame(Peer.packet(number, byteCount: 172))) }
            peer.goOn()
        }
        let session = ListeningSupervisor(url: server.url)
        session.leaves = { silence, _ in silence >= .milliseconds(150) }
        do {
            let ingest = try RTSPIngest(Self.request, supervisor: session, abort: AbortSwitch())
            ingest.opened()
            do throws(IngestReadError) {
                while try ingest.read() != nil {}
                Issue.record("it has ended")
            } catch {
                guard case .changed(let event) = error else { throw error }
                #expect(event.cause == .silence)
            }
        }
        server.join()
    }
}
