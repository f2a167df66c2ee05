import Testing
import ThroughlineCore

@testable import ThroughlineProtocols

/// Whatever arrives, the parsers answer and do not trap; each sees 20 000 inputs: random ones, real ones cut short, and
/// real ones with bytes changed.
@Suite struct HostileInputTests {
    private static let rounds = 20_000

    private func forEachInput(
        seed: UInt64, real: [[UInt8]], _ body: (UnsafeRawBufferPointer, inout SeededGenerator) -> Void
    ) {
        var random = SeededGenerator(seed: seed)
        for round in 0..<Self.rounds {
            var input: [UInt8]
            switch round % 3 {
            case 0:
                input = random.bytes(Int.random(in: 0...80, using: &random))
            case 1:
                input = real.randomElement(using: &random) ?? []
                input.removeLast(Int.random(in: 0...input.count, using: &random))
            default:
                input = real.randomElement(using: &random) ?? []
                for _ in 0..<Int.random(in: 1...8, using: &random) where !input.isEmpty {
                    let place = Int.random(in: 0..<min(input.count, 64), using: &random)
                    input[place] =
                        [0, 1, 3, 0xFF, UInt8.random(in: 0...255, using: &random)]
                        .randomElement(using: &random) ?? 0
                }
            }
            // A buffer of exactly this size, so that a checking allocator sees a byte too many.
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count, alignment: 1)
            defer { buffer.deallocate() }
            buffer.copyBytes(from: input)
            body(UnsafeRawBufferPointer(buffer), &random)
        }
    }

    /// The short packets: what matters stands at their beginning.
    private static let packets = [Fixture.h264InMP4, .h264InTS, .hevcInMP4, .hevcInTS, .aacInMP4, .aacInTS]
        .flatMap { $0.packets.map(\.bytes) }.filter { $0.count < 400 }
    private static let extradata = [Fixture.h264InMP4, .h264InTS, .hevcInMP4, .hevcInTS, .aacInMP4].map(\.extradata)

    private static let forms: [PayloadForm] = [
        .annexB(.h264), .annexB(.hevc), .lengthPrefixed(.h264, lengthSize: 4), .lengthPrefixed(.hevc, lengthSize: 4),
        .lengthPrefixed(.h264, lengthSize: 1), .adts, .rawAAC(lowComplexity), .opaque,
    ]

    @Test(arguments: forms)
    func fingerprintAndInspector(form: PayloadForm) {
        forEachInput(seed: 3, real: Self.packets) { input, _ in
            let fingerprint = Fingerprint.of(payload: input, form: form)
            _ = Fingerprint.glance(payload: input, form: form)
            let findings = AccessUnitInspector(form: form)?.inspect(input)
            if form.nalUnits != nil, fingerprint != nil { #expect(findings != nil) }
        }
    }

    /// What can be repacked keeps its fingerprint.
    @Test func repacker() throws {
        let sets = try parameterSets(.h264, Fixture.h264InMP4.extradata)
        let four = PayloadForm.lengthPrefixed(.h264, lengthSize: 4)
        let repackers = [
            try Repacker(from: .annexB(.h264), to: four, parameterSets: sets),
            try Repacker(from: four, to: .annexB(.h264), parameterSets: sets),
            try Repacker(from: four, to: .lengthPrefixed(.h264, lengthSize: 1), dropping: sets),
            try Repacker(from: .annexB(.hevc), to: .annexB(.hevc), parameterSets: sets),
            try Repacker(from: .adts, to: .rawAAC(lowComplexity)),
            try Repacker(from: .rawAAC(lowComplexity), to: .adts),
        ]
        var output: [UInt8] = []
        var passed = 0
        for repacker in repackers {
            forEachInput(seed: 4, real: Self.packets) { input, random in
                let isKey = Bool.random(using: &random)
                do throws(RepackError) {
                    try repacker.repack(
                        input, isKey: isKey, insertParameterSets: Bool.random(using: &random), into: &output)
                } catch {
                    #expect(output.isEmpty)
                    return
                }
                passed += 1
                let value = Fingerprint.of(payload: input, form: repacker.from)
                #expect(fingerprint(output, repacker.to) == value)
            }
        }
        #expect(passed > 10_000)
    }

    @Test func recordsAndForms() {
        forEachInput(seed: 5, real: Self.extradata) { input, random in
            for codec in VideoCodec.allCases { _ = try? ParameterSets(codec: codec, extradata: input) }
            _ = try? AudioSpecificConfig(parsing: input)
            _ = ADTSHeader(input)
            for codec: PayloadForm.Codec in [.h264, .hevc, .aac] {
                _ = PayloadForm.detect(codec: codec, extradata: input, firstPacket: input)
            }
        }
    }

    @Test func sequenceParameterSets() throws {
        let real =
            try parameterSets(.h264, Fixture.h264InMP4.extradata).sequence
            + parameterSets(.hevc, Fixture.hevcInMP4.extradata).sequence
        forEachInput(seed: 6, real: real) { input, _ in
            _ = try? VideoParameterSet(unit: input)
            for codec in VideoCodec.allCases {
                guard let set = try? SequenceParameterSet(unit: input, codec: codec) else { continue }
                #expect((1...16_896).contains(set.width) && (1...33_792).contains(set.height))
                #expect((0...ReorderDepth.greatest).contains(set.reordering.initial))
            }
        }
    }

    @Test func bitReader() {
        forEachInput(seed: 7, real: Self.extradata) { input, random in
            var reader = BitReader(input, removingEmulationPrevention: Bool.random(using: &random))
            for _ in 0..<60 {
                switch Int.random(in: 0..<4, using: &random) {
                case 0: _ = try? reader.bits(Int.random(in: -1...40, using: &random))
                case 1: _ = try? reader.unsignedGolomb()
                case 2: _ = try? reader.signedGolomb()
                default: _ = try? reader.skip(Int.random(in: -5...100, using: &random))
                }
            }
        }
    }
}
