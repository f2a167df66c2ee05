internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

/// What a viewer asks for while all that there is has been received.
@Suite(.timeLimit(.minutes(25))) struct SessionEndTests {
    private func session(
        _ pacing: Configuration.Pacing, _ queue: EventQueue = EventQueue(since: .now) { _ in }, to end: NPT? = nil
    ) -> Session {
        var configuration = Configuration(origins: [Origin(url: "/nowhere")])
        configuration.pacing = pacing
        configuration.to = end
        let session = Session(configuration: configuration, outputs: [], events: queue, began: .now)
        session.stream.buffer.begin([(false, true)])
        return session
    }

    private func push(_ due: Int64, into session: Session) throws {
        var batch = UniqueDeque<Packet>()
        batch.append(try PlayoutBufferTests.packet(0, due: due))
        let isOpen = session.stream.buffer.push(&batch)
        #expect(isOpen)
    }

    @Test(
        "A seek that comes before the end is known is carried out", arguments: [Configuration.Pacing.fast, .realtime])
    func inTime(_ pacing: Configuration.Pacing) {
        let session = session(pacing)
        session.stream.viewer.ask(.seek(.seconds(1)), of: nil)
        #expect(session.reader.viewerGoesElsewhere())
    }

    @Test(
        "A seek that comes after it throws nothing away, and is refused",
        arguments: [Configuration.Pacing.fast, .realtime])
    func tooLate(_ pacing: Configuration.Pacing) throws {
        let events = Guarded<[Event]>([])
        let queue = EventQueue(since: .now) { event in events.withLock { $0.append(event) } }
        let session = session(pacing, queue)
        #expect(!session.reader.viewerGoesElsewhere())
        session.stream.viewer.ask(.seek(.seconds(1)), of: nil)
        try push(40, into: session)
        #expect(session.stream.buffer.level.bytes > 0, "what was received last is presented")
        queue.close()
        let warnings = events.withLock { $0 }.filter { if case .warning = $0.kind { true } else { false } }
        #expect(warnings.count == 1)
    }

    @Test("The end that was asked for is no end to a viewer who goes back before it is presented")
    func beforeTheEndThatWasAskedFor() throws {
        let session = session(.realtime, to: .seconds(1))
        #expect(!session.intake.isAllDone(isRealtime: false))
        session.intake.rangeEnd?.received(0, due: .seconds(1))
        #expect(session.intake.isAllDone(isRealtime: false))
        try push(0, into: session)
        session.stream.viewer.ask(.seek(.zero), of: nil)
        #expect(session.reader.viewerGoesOn())
    }
}
