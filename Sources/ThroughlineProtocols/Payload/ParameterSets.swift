/// The parameter sets of a flow: whole NAL units, without start code or length, each once, in the order found.
package struct ParameterSets: Hashable, Sendable {
    /// Video parameter sets; HEVC only.
    package private(set) var video: [[UInt8]] = []
    package private(set) var sequence: [[UInt8]] = []
    package private(set) var picture: [[UInt8]] = []

    /// The kinds of parameter set that something carries.
    package struct Kinds: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let video = Kinds(rawValue: 1)
        package static let sequence = Kinds(rawValue: 2)
        package static let picture = Kinds(rawValue: 4)

        /// What a decoder needs before the first slice.
        package static func needed(by codec: VideoCodec) -> Kinds {
            codec == .h264 ? [.sequence, .picture] : [.video, .sequence, .picture]
        }

        init(_ kind: NALUnitKind) {
            switch kind {
            case .videoParameterSet: self = .video
            case .sequenceParameterSet: self = .sequence
            case .pictureParameterSet: self = .picture
            default: self = []
            }
        }
    }

    package init() {}

    /// What the length of two bytes in avcC and hvcC can say.
    private static let maximumUnitSize = 0xFFFF

    /// Reads avcC, hvcC (ISO/IEC 14496-15 sections 5.3.3.1 and 8.3.3.1) or Annex B extradata. Empty extradata holds
    /// none. Units of other types found there are passed over.
    ///
    /// - Throws: `truncated` when a length reaches beyond the data, `outOfRange` when there are more sets than the codec
    ///   has identifiers or one is
    ///   beyond 64 KiB, `unsupported` when the extradata is none of the three.
    package init(codec: VideoCodec, extradata: UnsafeRawBufferPointer) throws(BitstreamError) {
        self.init()
        guard !extradata.isEmpty else { return }
        guard PayloadForm.lengthSize(codec, extradata: extradata) != nil else {
            try collect(extradata, codec: codec, framing: .startCodes)
            return
        }
        var cursor = Cursor(bytes: extradata)
        switch codec {
        case .h264:
            try cursor.skip(5)
            for mask: UInt8 in [0x1F, 0xFF] {
                for _ in 0..<(try cursor.byte() & mask) {
                    try add(try cursor.unit(), codec: codec)
                }
            }
        // The extension of the high profiles that may follow holds nothing that is needed here.
        case .hevc:
            try cursor.skip(22)
            for _ in 0..<(try cursor.byte()) {
                try cursor.skip(1)
                for _ in 0..<(try cursor.length()) {
                    try add(try cursor.unit(), codec: codec)
                }
            }
        }
    }

    /// Collects the parameter sets that a packet carries in band.
    ///
    /// - Throws: `unsupported` when the payload is malformed or its form has no NAL units; `outOfRange` as above.
    package init(payload: UnsafeRawBufferPointer, form: PayloadForm) throws(BitstreamError) {
        guard let (codec, framing) = form.nalUnits else { throw .unsupported }
        self.init()
        try collect(payload, codec: codec, framing: framing)
    }

    private mutating func collect(
        _ payload: UnsafeRawBufferPointer, codec: VideoCodec, framing: NALUnitIterator.Framing
    ) throws(BitstreamError) {
        var units = NALUnitIterator(payload, framing: framing)
        while let range = units.next() {
            try add(payload.part(range), codec: codec)
        }
        guard !units.isMalformed else { throw .unsupported }
    }

    package var isEmpty: Bool { video.isEmpty && sequence.isEmpty && picture.isEmpty }

    /// The kinds of which there is at least one.
    package var kinds: Kinds {
        var kinds: Kinds = []
        if !video.isEmpty { kinds.insert(.video) }
        if !sequence.isEmpty { kinds.insert(.sequence) }
        if !picture.isEmpty { kinds.insert(.picture) }
        return kinds
    }

    func units(of kind: NALUnitKind) -> [[UInt8]] {
        switch kind {
        case .videoParameterSet: video
        case .sequenceParameterSet: sequence
        case .pictureParameterSet: picture
        default: []
        }
    }

    func contains(_ unit: UnsafeRawBufferPointer, kind: NALUnitKind) -> Bool {
        units(of: kind).contains { $0.count == unit.count && $0.elementsEqual(unit) }
    }

    private mutating func add(_ unit: UnsafeRawBufferPointer, codec: VideoCodec) throws(BitstreamError) {
        guard let kind = NALUnitHeader(unit, codec: codec)?.kind, !Kinds(kind).isEmpty else { return }
        guard unit.count <= Self.maximumUnitSize else { throw .outOfRange }
        guard !contains(unit, kind: kind) else { return }
        let limit: Int
        switch (codec, kind) {
        case (.h264, .sequenceParameterSet): limit = 32
        case (.h264, _): limit = 256
        case (.hevc, .pictureParameterSet): limit = 64
        case (.hevc, _): limit = 16
        }
        guard units(of: kind).count < limit else { throw .outOfRange }
        switch kind {
        case .videoParameterSet: video.append(Array(unit))
        case .sequenceParameterSet: sequence.append(Array(unit))
        default: picture.append(Array(unit))
        }
    }

    /// Steps through a configuration record.
    private struct Cursor {
        let bytes: UnsafeRawBufferPointer
        var offset = 0

        mutating func take(_ count: Int) throws(BitstreamError) -> Range<Int> {
            guard count <= bytes.count - offset else { throw .truncated }
            defer { offset += count }
            return offset..<offset + count
        }

        mutating func skip(_ count: Int) throws(BitstreamError) { _ = try take(count) }

        mutating func byte() throws(BitstreamError) -> UInt8 { bytes[try take(1).lowerBound] }

        mutating func length() throws(BitstreamError) -> Int {
            let high = try byte()
            return Int(high) << 8 | Int(try byte())
        }

        /// A unit behind its length of two bytes, without zero bytes at its end.
        mutating func unit() throws(BitstreamError) -> UnsafeRawBufferPointer {
            var range = try take(try length())
            while let last = range.last, bytes[last] == 0 { range = range.dropLast() }
            return bytes.part(range)
        }
    }
}
