/// Why a packet, or a whole flow, cannot be carried in another form.
package enum RepackError: Error, Hashable, Sendable {
    /// The forms are of different codecs, or the lengths are of an impossible size.
    case incompatible(from: PayloadForm, to: PayloadForm)
    /// The AAC configurations of the two forms differ: the decoder would be set up for another coder.
    case configurationMismatch(AudioSpecificConfig, AudioSpecificConfig)
    /// An ADTS header cannot say what the configuration says, or the frame is made of several blocks.
    case notRepresentable
    /// The packet is not what its form says.
    case malformed
    /// A unit or frame of this many bytes does not fit the length field of the form asked for.
    case tooLarge(Int)
}

/// Rewrites the packets of one origin into the form of another, so that a decoder or muxer set up for the first origin
/// takes packets of the second.
///
/// One repacker serves one flow of one origin; it keeps no state between packets.
package struct Repacker: Sendable {
    package let from: PayloadForm
    package let to: PayloadForm
    /// What is inserted at key frames on demand: the parameter sets of the flow that the packets come from.
    package let parameterSets: ParameterSets
    /// Parameter sets that are taken out where they are found in band, since the receiver has them already.
    package let dropping: ParameterSets

    private let route: Route

    private enum Route: Sendable {
        case copy
        case units(VideoCodec, from: NALUnitIterator.Framing, to: NALUnitIterator.Framing)
        case stripADTS(AudioSpecificConfig)
        case addADTS(AudioSpecificConfig)
    }

    /// - Throws: `incompatible`, `configurationMismatch` or `notRepresentable`: whatever can be known before the first
    ///   packet.
    package init(
        from: PayloadForm, to: PayloadForm, parameterSets: ParameterSets = ParameterSets(),
        dropping: ParameterSets = ParameterSets()
    ) throws(RepackError) {
        switch (from, to) {
        case (.annexB, .annexB), (.annexB, .lengthPrefixed), (.lengthPrefixed, .annexB),
            (.lengthPrefixed, .lengthPrefixed):
            guard let (codec, source) = from.nalUnits, let (target, framing) = to.nalUnits, codec == target,
                source.isPossible, framing.isPossible
            else { throw .incompatible(from: from, to: to) }
            route = .units(codec, from: source, to: framing)
        case (.adts, .adts), (.opaque, .opaque):
            route = .copy
        case (.rawAAC(let a), .rawAAC(let b)):
            guard a.sharesCore(with: b) else { throw .configurationMismatch(a, b) }
            route = .copy
        case (.adts, .rawAAC(let configuration)):
            guard ADTSHeader(configuration, payloadSize: 0) != nil else { throw .notRepresentable }
            route = .stripADTS(configuration)
        case (.rawAAC(let configuration), .adts):
            guard ADTSHeader(configuration, payloadSize: 0) != nil else { throw .notRepresentable }
            route = .addADTS(configuration)
        default:
            throw .incompatible(from: from, to: to)
        }
        self.from = from
        self.to = to
        self.parameterSets = parameterSets
        self.dropping = dropping
    }

    /// Whether `repack` would give back the very same bytes, so that the caller may pass the packet on uncopied.
    package func isIdentity(isKey: Bool, insertParameterSets: Bool) -> Bool {
        switch route {
        case .copy: true
        case .units(_, let source, let target):
            source == target && dropping.isEmpty && !inserts(isKey: isKey, asked: insertParameterSets)
        case .stripADTS, .addADTS: false
        }
    }

    private func inserts(isKey: Bool, asked: Bool) -> Bool {
        isKey && asked && !parameterSets.isEmpty
    }

    /// Replaces `output` with the packet in the form asked for; its capacity is kept, so that one array serves a whole
    /// flow without allocation. After an error `output` is empty.
    ///
    /// - Parameters:
    ///   - isKey: whether the packet is marked as a key frame.
    ///   - insertParameterSets: at key frames, put the flow's parameter sets in front (behind the access unit
    ///     delimiter, if any), unless the packet carries every kind itself. On such a packet nothing is dropped.
    package func repack(
        _ payload: UnsafeRawBufferPointer, isKey: Bool, insertParameterSets: Bool, into output: inout [UInt8]
    ) throws(RepackError) {
        output.removeAll(keepingCapacity: true)
        do throws(RepackError) {
            if isIdentity(isKey: isKey, insertParameterSets: insertParameterSets) {
                output.append(contentsOf: payload)
                return
            }
            switch route {
            case .copy:
                output.append(contentsOf: payload)
            case .units(let codec, let source, let target):
                let inserts = inserts(isKey: isKey, asked: insertParameterSets)
                try UnitWriter(repacker: self, codec: codec, source: source, target: target)
                    .write(payload, inserting: inserts, into: &output)
            case .stripADTS(let configuration):
                output.append(contentsOf: try Self.strip(payload, configuration))
            case .addADTS(let configuration):
                guard !payload.isEmpty else { throw .malformed }
                guard let header = ADTSHeader(configuration, payloadSize: payload.count) else {
                    throw .tooLarge(payload.count)
                }
                header.append(to: &output)
                output.append(contentsOf: payload)
            }
        } catch {
            output.removeAll(keepingCapacity: true)
            throw error
        }
    }

    private static func strip(
        _ payload: UnsafeRawBufferPointer, _ configuration: AudioSpecificConfig
    ) throws(RepackError) -> UnsafeRawBufferPointer {
        guard ADTSHeader.fills(payload), let header = ADTSHeader(payload), header.frameLength > header.size else {
            throw .malformed
        }
        // Several frames in one packet would need several packets.
        guard header.frameLength == payload.count else { throw .notRepresentable }
        guard header.blockCount == 1 else { throw .notRepresentable }
        guard header.configuration.sharesCore(with: configuration) else {
            throw .configurationMismatch(header.configuration, configuration)
        }
        return payload.part(header.size..<header.frameLength)
    }

    /// The work on NAL units.
    private struct UnitWriter {
        let repacker: Repacker
        let codec: VideoCodec
        let source: NALUnitIterator.Framing
        let target: NALUnitIterator.Framing

        func write(
            _ payload: UnsafeRawBufferPointer, inserting: Bool, into output: inout [UInt8]
        ) throws(RepackError) {
            let needed = ParameterSets.Kinds.needed(by: codec)
            let carried = inserting ? try kinds(in: payload) : []
            // What is inserted costs its own length; start codes of four bytes may replace lengths of one.
            output.reserveCapacity(payload.count + payload.count / 16 + (inserting ? 1024 : 64))
            if inserting, !carried.isSuperset(of: needed) {
                // Sets refer to sets before them, so that those missing cannot just go in front of those carried:
                // all are put in the order of reference.
                try copy(payload, into: &output) { kind, _ in kind == .accessUnitDelimiter }
                for kind in [.videoParameterSet, .sequenceParameterSet, .pictureParameterSet] as [NALUnitKind] {
                    if carried.isDisjoint(with: ParameterSets.Kinds(kind)) {
                        for unit in repacker.parameterSets.units(of: kind) {
                            try appendPrefix(of: unit.count, to: &output)
                            output.append(contentsOf: unit)
                        }
                    } else {
                        try copy(payload, into: &output) { found, _ in found == kind }
                    }
                }
                try copy(payload, into: &output) { kind, _ in
                    kind != .accessUnitDelimiter && ParameterSets.Kinds(kind).isEmpty
                }
            } else if inserting || repacker.dropping.isEmpty {
                try copy(payload, into: &output) { _, _ in true }
            } else {
                let dropping = repacker.dropping
                try copy(payload, into: &output) { kind, unit in !dropping.contains(unit, kind: kind) }
            }
        }

        private func kinds(in payload: UnsafeRawBufferPointer) throws(RepackError) -> ParameterSets.Kinds {
            var kinds: ParameterSets.Kinds = []
            var units = NALUnitIterator(payload, framing: source)
            while let range = units.next() {
                guard let header = NALUnitHeader(payload.part(range), codec: codec) else { throw .malformed }
                kinds.formUnion(ParameterSets.Kinds(header.kind))
            }
            return kinds
        }

        private func copy(
            _ payload: UnsafeRawBufferPointer, into output: inout [UInt8],
            where isWanted: (NALUnitKind, UnsafeRawBufferPointer) -> Bool
        ) throws(RepackError) {
            var units = NALUnitIterator(payload, framing: source)
            var found = false
            while let range = units.next() {
                let unit = payload.part(range)
                guard let header = NALUnitHeader(unit, codec: codec) else { throw .malformed }
                found = true
                // MP4 says where access units begin; a delimiter is noise there (ISO/IEC 14496-15 section 5.3.2).
                if header.kind == .accessUnitDelimiter, target != .startCodes { continue }
                guard isWanted(header.kind, unit) else { continue }
                try appendPrefix(of: unit.count, to: &output)
                output.append(contentsOf: unit)
            }
            guard found, !units.isMalformed else { throw .malformed }
        }

        /// The start code or the length of a unit of `size` bytes.
        private func appendPrefix(of size: Int, to output: inout [UInt8]) throws(RepackError) {
            switch target {
            case .startCodes:
                // The zero byte in front is needed before parameter sets and the first unit, and allowed elsewhere.
                output.append(contentsOf: repeatElement(0, count: 3))
                output.append(1)
            case .lengthPrefixes(let bytes):
                guard size >> (8 * bytes) == 0 else { throw .tooLarge(size) }
                for place in (0..<bytes).reversed() {
                    output.append(UInt8(truncatingIfNeeded: size >> (8 * place)))
                }
            }
        }
    }
}

extension NALUnitIterator.Framing {
    var isPossible: Bool {
        switch self {
        case .startCodes: true
        case .lengthPrefixes(let size): (1...4).contains(size)
        }
    }
}
