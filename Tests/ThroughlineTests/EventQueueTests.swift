internal import Testing
internal import ThroughlineCore

@testable internal import Throughline

/// Events on their way to whoever wants them.
@Suite(.timeLimit(.minutes(25))) struct EventQueueTests {
    private static func text(_ event: Event) -> String {
        switch event.kind {
        case .warning(let text): text
        case .ended: "ended"
        default: "other"
        }
    }

    @Test("Each is delivered once, in order, one at a time, and the last before the queue is closed")
    func order() {
        let (seen, inside, most) = (Guarded<[String]>([]), Guarded(0), Guarded(0))
        let queue = EventQueue(since: .now) { event in
            let now = inside.withLock { inside in
                inside += 1
                return inside
            }
            most.withLock { $0 = max($0, now) }
            seen.withLock { $0.append(Self.text(event)) }
            inside.withLock { $0 -= 1 }
        }
        let threads = (0..<4).map { thread in
            WorkerThread(name: "sender") { for index in 0..<200 { queue.send(.warning("\(thread) \(index)")) } }
        }
        for thread in threads { thread.join() }
        queue.send(.ended(npt: nil, nil))
        queue.close()
        queue.send(.warning("too late"))
        let all = seen.withLock { $0 }
        #expect(all.count == 801 && all.last == "ended")
        #expect(most.withLock { $0 } == 1)
        for thread in 0..<4 {
            #expect(all.filter { $0.hasPrefix("\(thread) ") } == (0..<200).map { "\(thread) \($0)" })
        }
    }

    @Test("It is never called by whoever sends, who does not wait for it")
    func otherThread() {
        let isOpen = Guarded(false)
        let queue = EventQueue(since: .now) { _ in isOpen.wait { isOpen, _ in isOpen ? () : nil } }
        for _ in 0..<100 { queue.send(.warning("")) }
        isOpen.withLockAndWake { $0 = true }
        queue.close()
    }

    @Test("What there is no room for is counted, and the end is always told")
    func tooMany() {
        let (isOpen, hasBegun, seen) = (Guarded(false), Guarded(false), Guarded<[String]>([]))
        let times = Guarded<[Duration]>([])
        let queue = EventQueue(since: .now) { event in
            hasBegun.withLockAndWake { $0 = true }
            isOpen.wait { isOpen, _ in isOpen ? () : nil }
            seen.withLock { $0.append(Self.text(event)) }
            times.withLock { $0.append(event.time) }
        }
        queue.send(.warning("first"))
        hasBegun.wait { hasBegun, _ in hasBegun ? () : nil }
        for index in 0..<EventQueue.limit + 7 { queue.send(.warning("\(index)")) }
        queue.send(.ended(npt: nil, nil))
        isOpen.withLockAndWake { $0 = true }
        queue.close()
        let all = seen.withLock { $0 }
        let rising = times.withLock { $0 }
        #expect(zip(rising, rising.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(all.count == EventQueue.limit + 3)
        #expect(all.suffix(2) == ["7 events were not told: the program was busy with those before them", "ended"])
    }

    @Test("A task reads them too; what it is too late for is counted, and never the last")
    func tasks() async {
        let queue = EventQueue(since: .now) { _ in }
        let (all, few) = (Events(queue, bufferingNewest: 1000), Events(queue, bufferingNewest: 10))
        for index in 0..<100 { queue.send(.warning("\(index)")) }
        queue.send(.ended(npt: nil, nil))
        await WorkerThread.run(name: "close") { queue.close() }
        var texts: [String] = []
        for await event in all { texts.append(Self.text(event)) }
        #expect(texts == (0..<100).map { "\($0)" } + ["ended"] && all.dropped == 0)
        texts = []
        for await event in few { texts.append(Self.text(event)) }
        #expect(texts == (91..<100).map { "\($0)" } + ["ended"] && few.dropped == 91)
        for await _ in Events(queue, bufferingNewest: 10) { Issue.record("it was closed") }
    }

    @Test("In a world its thread is one of the world") func inAWorld() {
        let seen = World(seed: 1).run {
            let seen = Guarded<[Instant]>([])
            let queue = EventQueue(since: .now) { _ in
                precondition(World.currentThread != nil)
                let until = Instant.now + .seconds(1)
                _ = seen.wait(until: until) { _ in nil as Void? }
                seen.withLock { $0.append(.now) }
            }
            queue.send(.warning("a"))
            queue.send(.ended(npt: nil, nil))
            queue.close()
            return seen.withLock { $0 }.map { $0 - World.beginning }
        }
        #expect(seen == [.seconds(1), .seconds(2)])
    }
}
