internal import Testing

extension Trait where Self == InSlots {
    /// A few cases run at once, which mostly sleep; the others queue: more would starve each other.
    static var inSlots: Self { InSlots(slots: .realTime) }

    /// As many cases run at once as there are processors: plays of a world compute all the time.
    static var inWorlds: Self { InSlots(slots: .worlds) }
}

/// Each case of a test has a place while it runs.
struct InSlots: SuiteTrait, TestTrait, TestScoping {
    fileprivate let slots: Slots
    let isRecursive = true

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        await slots.enter()
        do {
            try await function()
        } catch {
            await slots.leave()
            throw error
        }
        await slots.leave()
    }
}

private actor Slots {
    static let realTime = Slots(4)
    static let worlds = Slots(2)

    private var free: Int
    private var queue: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) { free = count }

    func enter() async {
        if free > 0 {
            free -= 1
            return
        }
        await withCheckedContinuation { queue.append($0) }
    }

    func leave() {
        if queue.isEmpty { free += 1 } else { queue.removeFirst().resume() }
    }
}
