internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

@testable internal import Throughline

/// Keeping an alternate that delivers, for a session that is none.
@Suite(.timeLimit(.minutes(25))) struct HotStandbyTests {
    private static let candidate = StandbyKeeper.Candidate(origin: OriginID(0), canBePrepared: true)

    /// Nobody listens there.
    private static func nowhere(_ abort: AbortSwitch) -> RTSPOpening {
        RTSPOpening(origin: Origin(url: "rtsp://127.0.0.1:1/film"), bound: .seconds(5), abort: abort, request: nil)
    }

    /// How often it is asked who could be next while nobody can tell, in half a second.
    private func questions(_ asked: Guarded<Int>) -> Int {
        #expect(asked.wait(until: .now + .seconds(20)) { $0 >= 2 ? true : nil } ?? false)
        _ = asked.wait(until: .now + .milliseconds(500)) { _ -> Void? in nil }
        return asked.withLock { $0 }
    }

    /// The first time there is one; then a handoff is under way.
    private func candidates(_ asked: Guarded<Int>) -> [StandbyKeeper.Candidate]? {
        let isFirst = asked.withLockAndWake { count in
            count += 1
            return count == 1
        }
        return isFirst ? [Self.candidate] : nil
    }

    @Test("An origin that failed before a handoff began is not asked for again and again while that lasts")
    func rests() {
        let asked = Guarded(0)
        let standby = HotStandby(
            abort: AbortSwitch(),
            HotStandby.Surroundings(
                candidates: { candidates(asked) },
                outlook: { StandbyWindow.Primary(received: .seconds(1), overlap: .seconds(1), picture: .zero) },
                open: { _ throws(IngestOpenError) in
                    throw IngestOpenError(.undelivered(ChangeEvent(cause: .refused, detail: "nobody is there")))
                }, becameReady: { _, _ in }, wasLost: { _, _, _ in }))
        let count = questions(asked)
        standby.stop()
        #expect(count < 10)
    }

    @Test("Nor where a session with it is to be set up")
    func restsWarm() {
        let asked = Guarded(0)
        let standby = RTSPStandby(
            transport: .tcp, abort: AbortSwitch(),
            RTSPStandby.Surroundings(
                candidates: { candidates(asked) },
                opening: { Self.nowhere($1) }, becameReady: { _, _ in }, wasLost: { _, _ in }))
        let count = questions(asked)
        standby.stop()
        #expect(count < 10)
    }

    @Test("A handoff that came to nothing is over, though nobody tells: the next origin is made ready")
    func goesOn() {
        let (asked, isOpened) = (Guarded(0), Guarded(false))
        let standby = HotStandby(
            abort: AbortSwitch(),
            HotStandby.Surroundings(
                candidates: { candidates(asked) == nil ? [Self.candidate] : nil },
                outlook: { StandbyWindow.Primary(received: .seconds(1), overlap: .seconds(1), picture: .zero) },
                open: { _ throws(IngestOpenError) in
                    isOpened.withLockAndWake { $0 = true }
                    throw IngestOpenError(.undelivered(ChangeEvent(cause: .refused, detail: "nobody is there")))
                }, becameReady: { _, _ in }, wasLost: { _, _, _ in }))
        #expect(isOpened.wait(until: .now + .seconds(20)) { $0 ? true : nil } ?? false)
        standby.stop()
    }

    @Test("So is a session with it")
    func goesOnWarm() {
        let (asked, isOpened) = (Guarded(0), Guarded(false))
        let standby = RTSPStandby(
            transport: .tcp, abort: AbortSwitch(),
            RTSPStandby.Surroundings(
                candidates: { candidates(asked) == nil ? [Self.candidate] : nil },
                opening: { _, abort in
                    isOpened.withLockAndWake { $0 = true }
                    return Self.nowhere(abort)
                }, becameReady: { _, _ in }, wasLost: { _, _ in }))
        #expect(isOpened.wait(until: .now + .seconds(20)) { $0 ? true : nil } ?? false)
        standby.stop()
    }
}
