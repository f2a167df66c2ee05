internal import Foundation
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

@testable internal import Throughline

@Suite(.timeLimit(.minutes(25)))
struct PrefetchingSourceTests {
    private let inner = ScriptedSource()
    private let abort = AbortSwitch()

    private static let blocks = PrefetchingSource.Blocks(size: 10, count: 4, runUp: 20)
    /// What is read of the source when the run-up is over and every block is full.
    private static let full: Int64 = 20 + 4 * 10

    private func makeSource(_ blocks: PrefetchingSource.Blocks = blocks) throws -> PrefetchingSource {
        let source = PrefetchingSource(inner, abort: abort, blocks: blocks)
        _ = try source.open(at: 0, until: nil, deadline: .never)
        return source
    }

    private func read(
        _ source: PrefetchingSource, _ count: Int, deadline: Instant = .never, beforeBlocking: (() -> Instant)? = nil
    ) throws(TransportError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        defer { buffer.deallocate() }
        let done = try source.read(into: buffer, deadline: deadline, beforeBlocking: beforeBlocking)
        return Array(buffer[..<done])
    }

    /// Reads so many bytes, in as many reads as it takes.
    private func readAll(_ source: PrefetchingSource, _ count: Int) throws(TransportError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try read(source, count - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }

    /// Reads until reading ahead has begun, and waits until every block is full.
    private func fill(_ source: PrefetchingSource) throws -> [UInt8] {
        let bytes = try readAll(source, 20)
        #expect(inner.waitForPosition(Self.full))
        return bytes
    }

    @Test(arguments: [1, 7, 10, 64, 1000], [1, 10, 13, 4096])
    func bytesComeInOrderToTheEnd(readSize: Int, blockSize: Int) throws {
        inner.script { $0.available = 5003 }
        inner.script { $0.end = .end }
        let source = try makeSource(.init(size: blockSize, count: 3, runUp: 100))
        defer { source.close() }
        var bytes: [UInt8] = []
        while true {
            let more = try read(source, readSize)
            if more.isEmpty { break }
            bytes += more
        }
        #expect(bytes == ScriptedSource.bytes(0..<5003))
        #expect(try read(source, readSize).isEmpty)
        #expect(inner.violations == [])
    }

    @Test func anErrorComesAfterTheBytesAndStays() throws {
        inner.script { $0.available = 45 }
        inner.script { $0.end = .failure(TransportError(.reset, "scripted")) }
        let source = try makeSource()
        defer { source.close() }
        let head = try readAll(source, 20)
        #expect(inner.waitForPosition(45))
        #expect(head + (try readAll(source, 25)) == ScriptedSource.bytes(0..<45))
        for _ in 0..<2 {
            let error = #expect(throws: TransportError.self) { try read(source, 10) }
            #expect(error?.code == .reset)
        }
    }

    @Test func whereNothingHasArrivedTheReaderItselfWaits() throws {
        inner.script { $0.available = 45 }
        let source = try makeSource()
        defer { source.close() }
        _ = try readAll(source, 45)
        let (first, later) = (Instant(nanoseconds: 1000), Instant(nanoseconds: 2000))
        var calls = 0
        let error = #expect(throws: TransportError.self) {
            try read(source, 10, deadline: first) {
                calls += 1
                return later
            }
        }
        #expect(error?.code == .timedOut)
        #expect(calls == 1)
        #expect(inner.waits.last == .init(deadline: later, thread: ScriptedSource.thisThread))
        // It goes on where it stood, and the thread takes part again.
        inner.script { $0.available = 200 }
        #expect(try readAll(source, 155) == ScriptedSource.bytes(45..<200))
        #expect(inner.violations == [])
    }

    @Test func withoutAnotherDeadlineTheFirstHolds() throws {
        inner.script { $0.available = 45 }
        let source = try makeSource()
        defer { source.close() }
        _ = try readAll(source, 45)
        _ = #expect(throws: TransportError.self) { try read(source, 10, deadline: Instant(nanoseconds: 7)) }
        #expect(inner.waits.last?.deadline == Instant(nanoseconds: 7))
    }

    @Test func aFullRingIsNoSilence() throws {
        inner.script { $0.available = 1000 }
        let source = try makeSource()
        defer { source.close() }
        let head = try fill(source)
        // The connection is closed while nobody reads: that shows after what was received, and nobody was waited for.
        inner.script { $0.end = .failure(TransportError(.closedEarly, "scripted")) }
        inner.script { $0.available = $0.position }
        var bytes = head
        var calls = 0
        let error = #expect(throws: TransportError.self) {
            while true {
                bytes += try read(source, 7) {
                    calls += 1
                    return .never
                }
            }
        }
        #expect(error?.code == .closedEarly)
        #expect(bytes == ScriptedSource.bytes(0..<Self.full))
        #expect(calls == 0)
    }

    @Test func aFullRingIsReadNoFurther() throws {
        inner.script { $0.available = 1000 }
        let source = try makeSource()
        _ = try fill(source)
        source.close()
        #expect(inner.position == Self.full)
    }

    @Test func anotherPlaceIsReadAfreshWhileTheRingIsFull() throws {
        inner.script { $0.available = 10_000 }
        let source = try makeSource()
        defer { source.close() }
        _ = try fill(source)
        _ = try read(source, 3)
        _ = try source.open(at: 5000, until: nil, deadline: .never)
        #expect(try readAll(source, 300) == ScriptedSource.bytes(5000..<5300))
        #expect(inner.violations == [])
    }

    @Test func anotherPlaceWaitsForTheReadUnderWay() throws {
        inner.script { $0.available = 10_000 }
        let source = try makeSource()
        defer { source.close() }
        inner.script { $0.holdsAt = 30 }
        _ = try readAll(source, 20)
        #expect(inner.waitUntilHeld())
        nonisolated(unsafe) let handed = source
        let opening = Blocking { _ = try? handed.open(at: 5000, until: nil, deadline: .never) }
        inner.script { $0.holdsAt = nil }
        #expect(opening.value() != nil)
        opening.join()
        #expect(try readAll(source, 300) == ScriptedSource.bytes(5000..<5300))
        #expect(inner.violations == [])
    }

    @Test func anErrorBelongsToTheBodyThatItEnded() throws {
        inner.script { $0.available = 45 }
        inner.script { $0.end = .failure(TransportError(.reset, "scripted")) }
        let source = try makeSource()
        defer { source.close() }
        _ = try readAll(source, 45)
        _ = #expect(throws: TransportError.self) { try read(source, 1) }
        inner.script { $0.available = 10_000 }
        inner.script { $0.end = nil }
        _ = try source.open(at: 45, until: nil, deadline: .never)
        #expect(try readAll(source, 100) == ScriptedSource.bytes(45..<145))
    }

    @Test func abortedItHandsOutNothingMore() throws {
        inner.script { $0.available = 1000 }
        let source = try makeSource()
        defer { source.close() }
        _ = try fill(source)
        abort.abort()
        let error = #expect(throws: TransportError.self) { try read(source, 1) }
        #expect(error?.code == .aborted)
    }

    @Test func closingEndsTheThreadWhereverItIs() throws {
        inner.script { $0.available = 1000 }
        let full = try makeSource()
        _ = try fill(full)
        full.close()
        #expect(inner.isClosed)
        let calls = inner.polls
        inner.script { $0.available = 2000 }
        #expect(inner.polls == calls)
        // Let go without being closed, and closed twice.
        inner.script { $0.position = 0 }
        _ = try fill(try makeSource())
        full.close()
    }

    @Test func shortRunsAreNotReadAhead() throws {
        inner.script { $0.available = 10_000 }
        let source = try makeSource()
        defer { source.close() }
        for offset in stride(from: Int64(0), to: 5000, by: 500) {
            _ = try source.open(at: offset, until: nil, deadline: .never)
            #expect(try readAll(source, 19) == ScriptedSource.bytes(offset..<(offset + 19)))
        }
        #expect(inner.polls == 0)
    }

    @Test func longReadsAreNotReadAhead() throws {
        inner.script { $0.available = 10_000 }
        let source = try makeSource(.init(size: 10, count: 4, runUp: 20, longest: 50))
        defer { source.close() }
        // Short ones between long ones are no run.
        var bytes: [UInt8] = []
        for _ in 0..<10 { bytes += try read(source, 15) + read(source, 51) }
        #expect(inner.polls == 0)
        bytes += try read(source, 15) + read(source, 15)
        #expect(inner.waitForPosition(Int64(bytes.count) + 40))
        // What is there is handed out, and no more is added to it.
        for _ in 0..<4 { bytes += try read(source, 51) }
        let polls = inner.polls
        bytes += try read(source, 51)
        #expect(bytes == ScriptedSource.bytes(0..<Int64(bytes.count)))
        #expect(inner.polls == polls && polls == 4)
        #expect(inner.violations == [])
    }

    @Test func anOriginThatIsWaitedForIsNotReadAhead() throws {
        inner.script { $0.growsWhenWaited = 15 }
        let source = try makeSource()
        defer { source.close() }
        #expect(try readAll(source, 300) == ScriptedSource.bytes(0..<300))
        #expect(inner.polls == 0)
        #expect(inner.waits.count == 20)
    }
}

/// A source that has what the test says, and watches how it is used.
private final class ScriptedSource: PollableSource, Sendable {
    struct Wait: Equatable {
        var deadline: Instant
        var thread: UInt
    }

    struct Script {
        /// The offset in the object up to which bytes have arrived.
        var available: Int64 = 0
        /// What stands there; nil when more will come.
        var end: Result<Void, TransportError>?
        /// How much comes when it is waited for; 0 when the wait ends in vain.
        var growsWhenWaited: Int64 = 0
        /// Reading ahead stops in mid-call here.
        var holdsAt: Int64?
        var isHeld = false
        var position: Int64 = 0
        var isInUse = false
        var isClosed = false
        var polls = 0
        var waits: [Wait] = []
        var violations: [String] = []
    }

    private let state = Guarded(Script())

    static var thisThread: UInt { UInt(bitPattern: pthread_self().hashValue) }
    static func bytes(_ range: Range<Int64>) -> [UInt8] { range.map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    func script(_ change: (inout Script) -> Void) { state.withLockAndWake(change) }
    var position: Int64 { state.withLock { $0.position } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var polls: Int { state.withLock { $0.polls } }
    var waits: [Wait] { state.withLock { $0.waits } }
    var violations: [String] { state.withLock { $0.violations } }

    /// False when it is not reached within a time that nothing takes.
    func waitForPosition(_ position: Int64) -> Bool {
        state.wait(until: .now + .seconds(20)) { $0.position >= position && !$0.isInUse ? true : nil } ?? false
    }

    func waitUntilHeld() -> Bool { state.wait(until: .now + .seconds(20)) { $0.isHeld ? true : nil } ?? false }

    private func use<Value>(_ what: String, _ body: () throws(TransportError) -> Value) throws(TransportError) -> Value
    {
        state.withLock {
            if $0.isInUse { $0.violations.append("\(what) while it is in use") }
            $0.isInUse = true
        }
        defer { state.withLockAndWake { $0.isInUse = false } }
        return try body()
    }

    func open(at offset: Int64, until end: Int64?, deadline: Instant) throws(TransportError) -> SourceHead {
        try use("opened") { () throws(TransportError) in
            state.withLockAndWake { $0.position = offset }
            return SourceHead(length: nil, isSeekable: true)
        }
    }

    private func take(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        try state.withLockAndWake { state throws(TransportError) in
            let count = min(Int64(buffer.count), state.available - state.position)
            guard count > 0 else {
                try state.end?.get()
                return state.end == nil ? nil : 0
            }
            buffer.copyBytes(from: Self.bytes(state.position..<(state.position + count)))
            state.position += count
            return Int(count)
        }
    }

    func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        try use("read ahead") { () throws(TransportError) in
            let isHeld = state.withLockAndWake { state in
                state.isHeld = state.holdsAt.map { state.position >= $0 } ?? false
                return state.isHeld
            }
            if isHeld { state.wait { state, _ -> Void? in state.holdsAt == nil ? () : nil } }
            state.withLock {
                $0.isHeld = false
                $0.polls += 1
            }
            return try take(into: buffer)
        }
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Instant, beforeBlocking: (() -> Instant)?
    ) throws(TransportError) -> Int {
        try use("read") { () throws(TransportError) in
            if let count = try take(into: buffer) { return count }
            let deadline = beforeBlocking?() ?? deadline
            state.withLock { state in
                state.waits.append(Wait(deadline: deadline, thread: Self.thisThread))
                state.available += state.growsWhenWaited
            }
            guard let count = try take(into: buffer) else { throw TransportError(.timedOut, "scripted") }
            return count
        }
    }

    func close() { state.withLock { $0.isClosed = true } }
}

extension Result where Success == Void, Failure == TransportError {
    fileprivate static var end: Self { .success(()) }
}
