internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

@Suite(.timeLimit(.minutes(25)))
struct SocketWaiterTests {
    private let abort = AbortSwitch()

    /// Two ends of one connection.
    private func ends() -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    @Test func oneOfSeveral() throws {
        let waiter = try SocketWaiter(abort: abort)
        let ((a, peerOfA), (b, peerOfB)) = (ends(), ends())
        defer { for end in [a, peerOfA, b, peerOfB] { close(end) } }
        waiter.watch(a, for: .input)
        waiter.watch(b, for: .input)
        #expect(try waiter.wait(until: .now).isEmpty)
        #expect(!waiter.isReady(a, for: .input) && !waiter.isReady(b, for: .input))
        send(peerOfB, "x", 1, 0)
        #expect(try waiter.wait(until: .never) == .socket)
        #expect(!waiter.isReady(a, for: .input) && waiter.isReady(b, for: .input))
        // Nobody has read it.
        #expect(try waiter.wait(until: .never) == .socket)
        waiter.forget(b)
        #expect(try waiter.wait(until: .now).isEmpty)
        #expect(!waiter.isReady(b, for: .input))
        waiter.watch(a, for: [.input, .output])
        #expect(try waiter.wait(until: .never) == .socket)
        #expect(waiter.isReady(a, for: .output) && !waiter.isReady(a, for: .input))
        waiter.watch(a, for: [])
        #expect(try waiter.wait(until: .now).isEmpty)
        shutdown(peerOfA, Int32(SHUT_RDWR))
        #expect(try waiter.wait(until: .never) == .socket)
        #expect(waiter.isReady(a, for: .input))
    }

    @Test func theDeadline() throws {
        let waiter = try SocketWaiter(abort: abort)
        let start = Instant.now
        #expect(try waiter.wait(until: start + .milliseconds(30)).isEmpty)
        #expect(Instant.now - start >= .milliseconds(30))
    }

    @Test func restingWhateverIsReady() throws {
        let waiter = try SocketWaiter(abort: abort)
        let (a, peerOfA) = ends()
        defer { for end in [a, peerOfA] { close(end) } }
        waiter.watch(a, for: .input)
        send(peerOfA, "x", 1, 0)
        let start = Instant.now
        #expect(try !waiter.rest(until: start + .milliseconds(30)))
        #expect(Instant.now - start >= .milliseconds(30))
        waiter.wake()
        #expect(try waiter.rest(until: .never), "it is woken all the same")
        #expect(try waiter.wait(until: .never) == .socket)
        abort.abort()
        #expect(throws: TransportError.self) { try waiter.rest(until: .never) }
    }

    @Test func wokenBefore() throws {
        let waiter = try SocketWaiter(abort: abort)
        waiter.wake()
        waiter.wake()
        #expect(try waiter.wait(until: .never) == .woken)
        // Many calls are one.
        #expect(try waiter.wait(until: .now).isEmpty)
    }

    @Test func wokenAndReady() throws {
        let waiter = try SocketWaiter(abort: abort)
        let (a, peer) = ends()
        defer { for end in [a, peer] { close(end) } }
        waiter.watch(a, for: .output)
        waiter.wake()
        #expect(try waiter.wait(until: .never) == [.woken, .socket])
    }

    @Test func wokenByAnotherThread() throws {
        let waiter = try SocketWaiter(abort: abort)
        let rounds = 200
        let turns = Guarded(0)
        let thread = WorkerThread(name: "waker") {
            for round in 0..<rounds {
                _ = turns.wait(until: .now + .seconds(10)) { $0 >= round ? true : nil }
                waiter.wake()
            }
        }
        for round in 1...rounds {
            #expect(try waiter.wait(until: .now + .seconds(10)) == .woken)
            turns.withLockAndWake { $0 = round }
        }
        thread.join()
    }

    @Test func abortIsPrompt() throws {
        expectPrompt(
            try (0..<5).map { _ in
                let abort = AbortSwitch()
                let waiter = try SocketWaiter(abort: abort)
                let gate = Gate()
                gate.open()
                return timeToEnd(abort, after: gate) { () throws(TransportError) in try waiter.wait(until: .never) }
            })
    }

    @Test func abortedBefore() throws {
        abort.abort()
        let waiter = try SocketWaiter(abort: abort)
        #expect(failure { () throws(TransportError) in try waiter.wait(until: .never) }?.code == .aborted)
        waiter.wake()
        #expect(failure { () throws(TransportError) in try waiter.wait(until: .never) }?.code == .aborted)
    }

    /// Tripping the switch meets waiters that come and go.
    @Test func abortWhileWaitersGo() throws {
        for _ in 0..<50 {
            let abort = AbortSwitch()
            let thread = WorkerThread(name: "aborter") { abort.abort() }
            for _ in 0..<20 { _ = try SocketWaiter(abort: abort) }
            thread.join()
        }
    }
}
