internal import Testing
internal import ThroughlineCore

/// What blocks, on threads of its own.
@Suite struct WorkerThreadTests {
    private struct Refusal: Error, Equatable {}

    @Test func whatItMakesComesBack() async throws {
        #expect(await WorkerThread.run(name: "seven") { 7 } == 7)
        await #expect(throws: Refusal()) {
            try await WorkerThread.run(name: "refusal") { () throws(Refusal) in throw Refusal() }
        }
    }

    /// Many more than there are processors wait for one another, and for a task.
    @Test(.timeLimit(.minutes(25))) func tasksGoOnBesideIt() async {
        let arrived = Guarded(0)
        let isOpen = Guarded(false)
        await withTaskGroup { group in
            for _ in 0..<64 {
                group.addTask {
                    await WorkerThread.run(name: "waits") {
                        arrived.withLockAndWake { $0 += 1 }
                        isOpen.wait { isOpen, _ in isOpen ? () : nil }
                    }
                }
            }
            await WorkerThread.run(name: "all-there") { arrived.wait { count, _ in count == 64 ? () : nil } }
            group.addTask { isOpen.withLockAndWake { $0 = true } }
        }
        #expect(arrived.withLock { $0 } == 64)
    }
}
