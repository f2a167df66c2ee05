/// Looks into one packet of H.264 or HEVC for what a splice needs to know: whether a decoder can start there, and
/// whether anything depends on it.
package struct AccessUnitInspector: Sendable {
    /// What a decoder that starts here will see, the best case last.
    package enum Entry: Int, Comparable, Hashable, Sendable {
        /// Nothing to rely on.
        case none
        /// Every slice is intra coded, but pictures after it may still refer to pictures before it (H.264 only: in HEVC
        /// such pictures are marked).
        case intra
        /// A picture from which the output is correct, though pictures that precede it in presentation may not be
        /// decodable: an H.264 recovery point SEI with a count of 0, HEVC CRA and BLA.
        case recoveryPoint
        /// An instantaneous decoding refresh: nothing after it refers to anything before it.
        case idr

        package static func < (a: Entry, b: Entry) -> Bool { a.rawValue < b.rawValue }
    }

    /// Pictures that follow a CRA, BLA or IDR in decoding and precede it in presentation; HEVC only.
    package enum Leading: Hashable, Sendable {
        case no
        /// RADL: can be decoded when decoding starts at the entry.
        case decodable
        /// RASL: cannot, and must not be presented then.
        case skipped
    }

    /// `slice_type` of H.264, modulo 5 (table 7-6).
    package enum SliceType: UInt8, Hashable, Sendable {
        case p, b, i, sp, si
    }

    package struct Findings: Hashable, Sendable {
        /// There is at least one coded slice of the base layer.
        package var containsPicture = false
        package var entry = Entry.none
        package var leading = Leading.no
        /// Whether other pictures may refer to this one: some slice has `nal_ref_idc` other than 0 (H.264), or is not of
        /// a sub-layer non-reference type (HEVC, within its temporal sub-layer).
        package var isReference = false
        package var parameterSets: ParameterSets.Kinds = []
        /// Of the first slice; H.264 only.
        package var sliceType: SliceType?
        /// `recovery_frame_cnt` of a recovery point SEI: how many frames after this one the output is correct. H.264 only.
        package var recoveryFrameCount: Int?
    }

    private let codec: VideoCodec
    private let framing: NALUnitIterator.Framing

    /// Nil for forms that are not made of NAL units.
    package init?(form: PayloadForm) {
        guard let (codec, framing) = form.nalUnits else { return nil }
        self.codec = codec
        self.framing = framing
    }

    /// Nil when the packet is not what its form says, for instance cut short behind lengths.
    package func inspect(_ payload: UnsafeRawBufferPointer) -> Findings? {
        var findings = Findings()
        var isIntra = true
        var units = NALUnitIterator(payload, framing: framing)
        while let range = units.next() {
            let unit = payload.part(range)
            guard let header = NALUnitHeader(unit, codec: codec) else { return nil }
            findings.parameterSets.formUnion(ParameterSets.Kinds(header.kind))
            switch codec {
            case .h264: Self.noteH264(unit, header, &findings, &isIntra)
            case .hevc: Self.noteHEVC(header, &findings)
            }
        }
        guard !units.isMalformed else { return nil }
        if codec == .h264, findings.containsPicture, findings.entry != .idr {
            if findings.recoveryFrameCount == 0 {
                findings.entry = .recoveryPoint
            } else if isIntra {
                findings.entry = .intra
            }
        }
        return findings
    }

    private static func noteH264(
        _ unit: UnsafeRawBufferPointer, _ header: NALUnitHeader, _ findings: inout Findings, _ isIntra: inout Bool
    ) {
        switch header.type {
        // Slices, and the partition that holds the slice header.
        case 1, 2, 5:
            let type = sliceType(of: unit)
            if !findings.containsPicture {
                findings.containsPicture = true
                findings.sliceType = type
                // Of two fields in one packet the first decides: an IDR picture may have a second field that is not.
                if header.type == 5 { findings.entry = .idr }
            }
            if header.referenceIDC != 0 { findings.isReference = true }
            if type != .i, type != .si { isIntra = false }
        case 6:
            if findings.recoveryFrameCount == nil { findings.recoveryFrameCount = recoveryFrameCount(of: unit) }
        default:
            break
        }
    }

    /// `slice_type` (section 7.3.3), which comes second in the header; nil when it is not there or not valid.
    private static func sliceType(of unit: UnsafeRawBufferPointer) -> SliceType? {
        var reader = BitReader(unit.part(1..<unit.count), removingEmulationPrevention: true)
        guard (try? reader.unsignedGolomb()) != nil, let code = try? reader.unsignedGolomb(atMost: 9) else {
            return nil
        }
        return SliceType(rawValue: UInt8(code % 5))
    }

    /// Searches the messages of an SEI unit (section 7.3.2.3) for a recovery point (section D.1.8).
    private static func recoveryFrameCount(of unit: UnsafeRawBufferPointer) -> Int? {
        var reader = BitReader(unit.part(1..<unit.count), removingEmulationPrevention: true)
        do throws(BitstreamError) {
            while true {
                let type = try messageNumber(&reader)
                let size = try messageNumber(&reader)
                if type == 6 { return Int(try reader.unsignedGolomb(atMost: 0xFFFF)) }
                try reader.skip(size * 8)
            }
        } catch {
            // The end of the unit: `rbsp_trailing_bits` read as a message leads beyond it.
            return nil
        }
    }

    /// Type and size of a message: bytes of 255, then the rest. Bounded by the unit, whose size is an `Int` itself.
    private static func messageNumber(_ reader: inout BitReader) throws(BitstreamError) -> Int {
        var number = 0
        while true {
            let byte = Int(try reader.bits(8))
            number += byte
            guard number <= 1 << 24 else { throw .outOfRange }
            if byte != 255 { return number }
        }
    }

    private static func noteHEVC(_ header: NALUnitHeader, _ findings: inout Findings) {
        guard header.type <= 31, header.layerID == 0 else { return }
        if !findings.containsPicture {
            findings.containsPicture = true
            // Table 7-1.
            switch header.type {
            case 6, 7: findings.leading = .decodable
            case 8, 9: findings.leading = .skipped
            case 16...18, 21...23: findings.entry = .recoveryPoint
            case 19, 20: findings.entry = .idr
            default: break
            }
        }
        // Up to 14 the even types are those of sub-layer non-reference pictures.
        if header.type > 15 || header.type & 1 == 1 { findings.isReference = true }
    }
}
