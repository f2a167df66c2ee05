internal import Foundation
internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@Suite(.handlesReturn) enum MediaTests {}

/// Expects every libav* object that a test makes to be gone at its end.
struct HandlesReturn: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        #if DEBUG
            guard testCase != nil else { return try await function() }
            // An account of its own: other tests hold objects at the same time.
            try await LiveHandles.$account.withValue(LiveHandles.Account()) {
                try await function()
                #expect(LiveHandles.count == 0, "libav* objects are left over")
            }
        #else
            try await function()
        #endif
    }
}

extension Trait where Self == HandlesReturn {
    static var handlesReturn: Self { HandlesReturn() }
}

enum Fixture {
    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures")

    static func bytes(_ name: String) throws -> [UInt8] {
        // Not with `Data`, which leaks a buffer for an empty file.
        let file = try FileHandle(forReadingFrom: directory.appendingPathComponent(name))
        defer { try? file.close() }
        return [UInt8](try file.readToEnd() ?? Data())
    }
}

/// Bytes in memory, handed out as a network might.
final class MemoryInput: ByteInput {
    private let bytes: [UInt8]
    private(set) var position = 0
    /// At most so many at a time.
    var chunk = Int.max
    /// After so many bytes nothing more is delivered.
    var failsAfter: Int?
    private(set) var delivered = 0
    let isSeekable: Bool
    private(set) var failures = 0
    private(set) var seeks = 0
    /// A length that is stated instead of the true one.
    var statedLength: Int64?

    init(_ bytes: [UInt8], isSeekable: Bool = true) {
        self.bytes = bytes
        self.isSeekable = isSeekable
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult {
        let left = failsAfter.map { $0 - delivered } ?? .max
        if left <= 0 {
            failures += 1
            return .failed
        }
        let count = min(buffer.count, chunk, left, bytes.count - position)
        if count == 0 { return .end }
        delivered += count
        bytes.withUnsafeBytes { buffer.baseAddress!.copyMemory(from: $0.baseAddress! + position, byteCount: count) }
        position += count
        return .bytes(count)
    }

    func seek(to offset: Int64) -> Bool {
        guard isSeekable, offset >= 0, offset <= bytes.count else { return false }
        position = Int(offset)
        seeks += 1
        return true
    }

    var length: Int64? { statedLength ?? Int64(bytes.count) }
}

/// A file in memory, or a pipe.
final class MemoryOutput: ByteOutput {
    private(set) var bytes: [UInt8] = []
    private var position = 0
    let isSeekable: Bool
    /// Takes no more than so many bytes.
    var limit = Int.max

    init(isSeekable: Bool) { self.isSeekable = isSeekable }

    func write(_ new: UnsafeRawBufferPointer) -> Bool {
        guard position + new.count <= limit else { return false }
        let overlap = min(new.count, bytes.count - position)
        bytes.replaceSubrange(position..<position + overlap, with: new)
        position += new.count
        return true
    }

    func seek(to offset: Int64) -> Bool {
        guard isSeekable, offset <= bytes.count else { return false }
        position = Int(offset)
        return true
    }
}

/// What a packet was, once it is gone.
struct PacketRecord: Hashable {
    var flow: Int
    var pts: MediaTime?
    var dts: MediaTime?
    var duration: MediaTime
    var isKey: Bool
    var payload: [UInt8]

    init(_ packet: borrowing Packet) {
        flow = packet.flow
        pts = packet.pts
        dts = packet.dts
        duration = packet.duration
        isKey = packet.isKey
        payload = packet.withPayload { Array($0) }
    }

    /// Without optimisation an array compares byte by byte, each with a call.
    static func == (a: PacketRecord, b: PacketRecord) -> Bool {
        guard
            a.flow == b.flow && a.pts == b.pts && a.dts == b.dts && a.duration == b.duration && a.isKey == b.isKey,
            a.payload.count == b.payload.count
        else { return false }
        return a.payload.isEmpty || memcmp(a.payload, b.payload, a.payload.count) == 0
    }
}

extension Demuxer {
    /// All packets to the end of the bytes, at most so many. Errors of the container are read over.
    func records(limit: Int = .max) -> [PacketRecord] {
        var records: [PacketRecord] = []
        var errors = 0
        while records.count < limit {
            do {
                guard let packet = try read() else { break }
                records.append(PacketRecord(packet))
            } catch {
                errors += 1
                if errors > 100 { break }
            }
        }
        return records
    }

    static func opening(_ name: String, options: Options = Options()) throws -> Demuxer {
        try Demuxer(input: MemoryInput(try Fixture.bytes(name)), options: options)
    }

    /// Fingerprints of all packets, by flow.
    static func fingerprints(_ records: [PacketRecord], of flows: [FlowFormat]) -> [[UInt64?]] {
        flows.map { flow in
            let own = records.filter { $0.flow == flow.index }
            guard let first = own.first else { return [] }
            let codec: PayloadForm.Codec =
                switch flow.codecName {
                case "h264": .h264
                case "hevc": .hevc
                case "aac": .aac
                default: .other
                }
            let form = first.payload.withUnsafeBytes { first in
                flow.withExtradata { PayloadForm.detect(codec: codec, extradata: $0, firstPacket: first) }
            }
            return own.map { record in
                record.payload.withUnsafeBytes { Fingerprint.of(payload: $0, form: form)?.rawValue }
            }
        }
    }
}
