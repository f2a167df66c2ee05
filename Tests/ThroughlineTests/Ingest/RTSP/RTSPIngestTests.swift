internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

@testable internal import Throughline

/// An RTSP session that is read as an ingest, on a machine that has other things to do.
@Suite(.timeLimit(.minutes(5))) struct RTSPIngestTests {
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
            let ingest = try RTSPIngest(
                origin: OriginID(0), supervisor: session, abort: AbortSwitch(), transport: .tcp, start: .zero,
                isExact: false, rate: .normal, bandwidth: nil)
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
            let ingest = try RTSPIngest(
                origin: OriginID(0), supervisor: session, abort: AbortSwitch(), transport: .tcp, start: .zero,
                isExact: false, rate: .normal, bandwidth: nil)
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
