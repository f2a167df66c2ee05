internal import ThroughlineCore

@testable import ThroughlineProtocols

extension SeededGenerator {
    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}

/// Writes bit fields, for parameter sets that no encoder at hand makes.
struct BitWriter {
    private var bits: [UInt8] = []

    mutating func write(_ value: Int, bits count: Int) {
        for place in (0..<count).reversed() { bits.append(UInt8(value >> place & 1)) }
    }

    mutating func unsignedGolomb(_ value: Int) {
        let width = Int.bitWidth - (value + 1).leadingZeroBitCount
        write(0, bits: width - 1)
        write(value + 1, bits: width)
    }

    mutating func signedGolomb(_ value: Int) {
        unsignedGolomb(value > 0 ? 2 * value - 1 : -2 * value)
    }

    /// The bytes, filled up with a one bit and zeros (`rbsp_trailing_bits`).
    var bytes: [UInt8] {
        let padded = bits + [1] + Array(repeating: 0, count: (8 - (bits.count + 1) % 8) % 8)
        return stride(from: 0, to: padded.count, by: 8).map { start in
            padded[start..<start + 8].reduce(0) { $0 << 1 | $1 }
        }
    }
}

/// The NAL units of a packet, copied out.
func units(_ payload: [UInt8], _ framing: NALUnitIterator.Framing) -> [[UInt8]]? {
    payload.withUnsafeBytes { payload in
        var iterator = NALUnitIterator(payload, framing: framing)
        var units: [[UInt8]] = []
        while let range = iterator.next() { units.append(Array(payload[range])) }
        return iterator.isMalformed ? nil : units
    }
}

func fingerprint(_ payload: [UInt8], _ form: PayloadForm) -> Fingerprint? {
    payload.withUnsafeBytes { Fingerprint.of(payload: $0, form: form) }
}

func parameterSets(_ codec: VideoCodec, _ extradata: [UInt8]) throws(BitstreamError) -> ParameterSets {
    let result: Result<ParameterSets, BitstreamError> = extradata.withUnsafeBytes { extradata in
        do throws(BitstreamError) {
            return .success(try ParameterSets(codec: codec, extradata: extradata))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

func detect(_ codec: PayloadForm.Codec, extradata: [UInt8], first: [UInt8]? = nil) -> PayloadForm {
    extradata.withUnsafeBytes { extradata in
        guard let first else { return PayloadForm.detect(codec: codec, extradata: extradata, firstPacket: nil) }
        return first.withUnsafeBytes {
            PayloadForm.detect(codec: codec, extradata: extradata, firstPacket: $0)
        }
    }
}

extension Repacker {
    func repacked(
        _ payload: [UInt8], isKey: Bool = false, inserting: Bool = false
    ) throws(RepackError) -> [UInt8] {
        let result: Result<[UInt8], RepackError> = payload.withUnsafeBytes { payload in
            // What was there before must not show.
            var output: [UInt8] = [1, 2, 3]
            do throws(RepackError) {
                try repack(payload, isKey: isKey, insertParameterSets: inserting, into: &output)
                return .success(output)
            } catch {
                return .failure(output.isEmpty ? error : .tooLarge(-1))
            }
        }
        return try result.get()
    }
}

/// Annex B of whole units given in hexadecimal.
func annexB(_ units: String...) -> [UInt8] {
    units.flatMap { [0, 0, 0, 1] + bytes(hex: $0) }
}

let lowComplexity = AudioSpecificConfig(objectType: 2, samplingFrequencyHz: 48_000, channelConfiguration: 1)
