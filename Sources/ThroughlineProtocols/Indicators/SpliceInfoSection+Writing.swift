extension SpliceInfoSection {
    /// The whole section with its checksum, for tests and for the lab. Nil for what is not written: commands and
    /// descriptors that are not read, and what does not fit into its field.
    package var bytes: [UInt8]? {
        guard ptsAdjustment >> 33 == 0, tier >> 12 == 0 else { return nil }
        let type: UInt8
        var body: [UInt8] = []
        switch command {
        case .null: type = 0x00
        case .insert(let insert):
            type = 0x05
            guard insert.append(to: &body) else { return nil }
        case .timeSignal(let ticks):
            type = 0x06
            guard body.append(spliceTime: ticks) else { return nil }
        case .other, .encrypted: return nil
        }
        var loop: [UInt8] = []
        for descriptor in descriptors { guard descriptor.append(to: &loop) else { return nil } }
        // Without the first three bytes: header, command, length and loop of descriptors, checksum.
        let length = 11 + body.count + 2 + loop.count + 4
        guard length <= SectionAssembler.largest - 3 else { return nil }
        var section: [UInt8] = [Self.tableID]
        // section_syntax_indicator and private_indicator 0, sap_type not specified.
        section.append(bigEndian: UInt64(0x3000 | length), count: 2)
        section.append(0)
        // Not encrypted.
        section.append(UInt8(truncatingIfNeeded: ptsAdjustment >> 32))
        section.append(bigEndian: ptsAdjustment, count: 4)
        section.append(0xFF)
        section.append(bigEndian: UInt64(tier) << 12 | UInt64(body.count), count: 3)
        section.append(type)
        section += body
        section.append(bigEndian: UInt64(loop.count), count: 2)
        section += loop
        SectionChecksum.append(to: &section)
        return section
    }
}

extension SpliceInsert {
    /// - Returns: false for what does not fit into its field.
    fileprivate func append(to bytes: inout [UInt8]) -> Bool {
        bytes.append(bigEndian: UInt64(event), count: 4)
        guard let splice else {
            bytes.append(0xFF)
            return true
        }
        bytes.append(0x7F)
        // With components all must be immediate, or none.
        var isImmediate = splice.place == .immediate
        var isProgram = true
        if case .components(let components) = splice.place {
            isProgram = false
            isImmediate = !components.isEmpty && components.allSatisfy { $0.ticks == nil }
        }
        bytes.append(
            (splice.isOut ? 0x80 : 0) | (isProgram ? 0x40 : 0) | (splice.duration == nil ? 0 : 0x20)
                | (isImmediate ? 0x10 : 0) | 0x0F)
        switch splice.place {
        case .immediate: break
        case .program(let ticks): guard bytes.append(spliceTime: ticks) else { return false }
        case .components(let components):
            guard components.count <= SpliceInfoSection.mostItems else { return false }
            bytes.append(UInt8(components.count))
            for component in components {
                bytes.append(component.tag)
                guard isImmediate || bytes.append(spliceTime: component.ticks) else { return false }
            }
        }
        if let duration = splice.duration {
            guard duration.ticks >> 33 == 0 else { return false }
            bytes.append(bigEndian: (duration.returns ? 0xFE : 0x7E) << 32 | duration.ticks, count: 5)
        }
        bytes.append(bigEndian: UInt64(splice.programID), count: 2)
        bytes += [splice.avail, splice.availsExpected]
        return true
    }
}

extension SpliceDescriptor {
    fileprivate func append(to bytes: inout [UInt8]) -> Bool {
        var body: [UInt8] = []
        body.append(bigEndian: UInt64(SpliceInfoSection.identifier), count: 4)
        let tag: UInt8
        switch self {
        case .avail(let id):
            tag = 0x00
            body.append(bigEndian: UInt64(id), count: 4)
        case .segmentation(let descriptor):
            tag = 0x02
            guard descriptor.append(to: &body) else { return false }
        case .other: return false
        }
        guard body.count <= 0xFF else { return false }
        bytes += [tag, UInt8(body.count)]
        bytes += body
        return true
    }
}

extension SegmentationDescriptor {
    fileprivate func append(to bytes: inout [UInt8]) -> Bool {
        bytes.append(bigEndian: UInt64(event), count: 4)
        guard let segment else {
            bytes.append(0xFF)
            return true
        }
        bytes.append(0x7F)
        if let restrictions = segment.restrictions, restrictions >> 5 != 0 { return false }
        bytes.append(
            (segment.components == nil ? 0x80 : 0) | (segment.ticks == nil ? 0 : 0x40)
                | (segment.restrictions ?? 0x3F))
        if let components = segment.components {
            guard components.count <= 42 else { return false }
            bytes.append(UInt8(components.count))
            for component in components {
                guard component.offset >> 33 == 0 else { return false }
                bytes.append(component.tag)
                bytes.append(bigEndian: 0xFE << 32 | component.offset, count: 5)
            }
        }
        if let ticks = segment.ticks {
            guard ticks >> 40 == 0 else { return false }
            bytes.append(bigEndian: ticks, count: 5)
        }
        guard segment.upid.count <= 0xFF, (segment.subNumber == nil) == (segment.subExpected == nil) else {
            return false
        }
        bytes += [segment.upidType, UInt8(segment.upid.count)]
        bytes += segment.upid
        bytes += [segment.kind.rawValue, segment.number, segment.expected]
        if let number = segment.subNumber, let expected = segment.subExpected { bytes += [number, expected] }
        return true
    }
}

extension [UInt8] {
    /// splice_time (section 9.8.1); false for more than 33 bits.
    fileprivate mutating func append(spliceTime ticks: UInt64?) -> Bool {
        guard let ticks else {
            append(0x7F)
            return true
        }
        guard ticks >> 33 == 0 else { return false }
        append(bigEndian: 0xFE << 32 | ticks, count: 5)
        return true
    }
}
