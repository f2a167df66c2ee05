internal import DequeModule
internal import Foundation
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

enum Fixture {
    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures")

    static func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    static func bytes(_ name: String) throws -> [UInt8] {
        // Not with `Data`, which leaks a buffer for an empty file.
        let file = try FileHandle(forReadingFrom: directory.appendingPathComponent(name))
        defer { try? file.close() }
        return [UInt8](try file.readToEnd() ?? Data())
    }
}

/// A whole object in memory.
final class MemoryInput: ByteInput {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult {
        let count = min(buffer.count, bytes.count - position)
        guard count > 0 else { return .end }
        bytes.withUnsafeBytes { buffer.baseAddress!.copyMemory(from: $0.baseAddress! + position, byteCount: count) }
        position += count
        return .bytes(count)
    }

    func seek(to offset: Int64) -> Bool {
        position = Int(offset)
        return true
    }

    var length: Int64? { Int64(bytes.count) }
    var isSeekable: Bool { true }
}

/// A demuxer that knows how its flows carry their payload, as an ingest does.
final class FixtureReader {
    let demuxer: Demuxer
    private var forms: [PayloadForm?]

    init(_ name: String) throws {
        demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes(name)))
        forms = Array(repeating: nil, count: demuxer.flows.count)
    }

    var flows: [FlowFormat] { demuxer.flows }

    func read() throws -> Packet? {
        guard let packet = try demuxer.read() else { return nil }
        if forms[packet.flow] == nil { forms[packet.flow] = flows[packet.flow].payloadForm(firstPacket: packet) }
        return packet
    }

    func form(of flow: Int) -> PayloadForm { forms[flow] ?? .opaque }
}

/// A stand-in for an ingest, of which a test says only what matters to it: for the rest it can be read from anywhere, and
/// never fails.
protocol IngestDouble: Ingest {}

extension IngestDouble {
    var origin: OriginID { OriginID(0) }
    var traits: IngestTraits { IngestTraits(container: "double") }
    var condition: IngestCondition { IngestCondition(hasFailed: false, deliversStill: true) }
    var duration: MediaTime? { nil }
    var timeline: Timeline { Timeline(.fromStart) }
    func opened() {}
    func select(_ isWanted: (FlowFormat) -> Bool) {}
    func seek(to time: NPT, anyPacket: Bool) throws(MediaError) {}
    func searchStarts(for position: NPT, overlap: NPT) -> [NPT] { [position] }
    func form(of flow: Int) -> PayloadForm { .opaque }
}

/// Runs blocking code on a thread of its own; the caller waits for it, but not for ever.
final class Blocking<Result: Sendable>: Sendable {
    private let result = Guarded<Result?>(nil)
    private let thread: Guarded<WorkerThread?>

    init(_ body: @escaping @Sendable () -> Result) {
        let result = result
        thread = Guarded(nil)
        let worker = WorkerThread(name: "test") {
            let value = body()
            result.withLockAndWake { $0 = value }
        }
        thread.withLock { $0 = worker }
    }

    /// What the code returned, or nil when it took longer.
    func value(within duration: Duration = .seconds(20)) -> Result? {
        result.wait(until: .now + duration) { $0 }
    }

    /// Whether it still runs a moment later.
    var isBlocked: Bool { value(within: .milliseconds(100)) == nil }

    /// To be called once it is sure that the code ends.
    func join() { thread.withLock { $0?.join() } }
}
