internal import Testing
internal import ThroughlineCore

/// Threads, locks and both clocks in a world.
@Suite(.timeLimit(.minutes(25)))
struct WorldTests {
    @Test("Hours of waiting take no time, and end at the very moment")
    func waiting() {
        let passed = World(seed: 1).run {
            let began = Instant.now
            let nothing = Guarded(())
            let woken: Bool? = nothing.wait(until: began + .seconds(7200)) { _ in nil }
            #expect(woken == nil)
            return Instant.now - began
        }
        #expect(passed == .seconds(7200))
    }

    @Test("Computing takes no time")
    func computing() {
        World(seed: 1).run {
            let began = Instant.now
            var sum = 0
            for number in 0..<100_000 { sum &+= number }
            #expect(sum > 0 && Instant.now == began)
        }
    }

    @Test("Who is woken goes on at the time of whoever woke them")
    func waking() {
        let moments = World(seed: 3).run {
            let bell = Guarded(false)
            let nothing = Guarded(())
            let began = Instant.now
            let heard = Guarded<Duration?>(nil)
            let listener = WorkerThread(name: "listener") {
                bell.wait { rung, _ in rung ? () : nil }
                heard.withLock { $0 = Instant.now - began }
            }
            let _: Void? = nothing.wait(until: began + .milliseconds(1234)) { _ in nil }
            bell.withLockAndWake { $0 = true }
            listener.join()
            return (heard.withLock { $0 }, Instant.now - began)
        }
        #expect(moments.0 == .milliseconds(1234))
        #expect(moments.1 == .milliseconds(1234))
    }

    /// What a few threads write down, that meet at one lock.
    private func story(seed: UInt64) -> String {
        World(seed: seed).run {
            let story = Guarded("")
            let threads = ["a", "b", "c"].map { name in
                WorkerThread(name: name) {
                    for _ in 0..<20 {
                        story.withLock { $0 += name }
                        let pause = Duration.milliseconds(Chance.number(in: 0...3))
                        let until = Instant.now + pause
                        let _: Void? = story.wait(until: until) { _ in nil }
                    }
                }
            }
            for thread in threads { thread.join() }
            return story.withLock { $0 }
        }
    }

    @Test("The same seed gives the same order, another one another")
    func seeds() {
        let stories = (0..<20).map { story(seed: $0) }
        #expect(stories == (0..<20).map { story(seed: $0) })
        #expect(Set(stories).count > 15)
        #expect(stories.allSatisfy { $0.count == 60 })
    }

    @Test("A lock that is missing is found: what is read before and written behind another lock gets lost")
    func race() {
        func lost(seed: UInt64) -> Bool {
            World(seed: seed).run {
                let count = Guarded(0)
                let threads = (0..<2).map { number in
                    WorkerThread(name: "adder-\(number)") {
                        let read = count.withLock { $0 }
                        count.withLock { $0 = read + 1 }
                    }
                }
                for thread in threads { thread.join() }
                return count.withLock { $0 } == 1
            }
        }
        let found = (0..<200).filter { lost(seed: UInt64($0)) }
        #expect(!found.isEmpty && found.count < 200)
        #expect(found == (0..<200).filter { lost(seed: UInt64($0)) })
    }

    @Test("The clock on the wall goes with the other one")
    func wallClock() {
        World(seed: 1, wallClock: 1_000_000_000).run {
            #expect(WallClock.nanoseconds == 1_000_000_000_000_000_000)
            let nothing = Guarded(())
            let _: Void? = nothing.wait(until: .now + .seconds(90)) { _ in nil }
            #expect(WallClock.nanoseconds == 1_000_000_090_000_000_000)
        }
    }

    @Test("Draws repeat with the seed")
    func chance() {
        func draws(_ seed: UInt64) -> [Double] { World(seed: seed).run { (0..<10).map { _ in Chance.fraction } } }
        #expect(draws(4) == draws(4))
        #expect(draws(4) != draws(5))
        #expect(draws(4).allSatisfy { (0..<1).contains($0) })
    }

    @Test("Outside of a world nothing of it is felt")
    func outside() {
        let before = Instant.now
        #expect(WallClock.nanoseconds > 1_700_000_000_000_000_000)
        #expect(Instant.now >= before)
        #expect(before.nanoseconds != World.beginning.nanoseconds)
    }

    @Test("A world in which everything waits for nothing says who waits")
    func deadlock() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            World(seed: 9).run {
                let door = Guarded(false)
                let thread = WorkerThread(name: "guest") { door.wait { open, _ in open ? () : nil } }
                thread.join()
            }
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("world 9") && text.contains("every thread waits") && text.contains("guest"))
    }

    @Test("A thread that reads the clock without end is named")
    func spinning() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            World(seed: 9, mostReadings: 100_000).run {
                let end = Instant.now + .seconds(1)
                let thread = WorkerThread(name: "spinner") { while Instant.now < end {} }
                thread.join()
            }
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("reads the clock without end") && text.contains("spinner"))
    }
}
