extension SpliceInfoSection {
    /// The section at the beginning of the bytes; what follows it is not looked at.
    package init(_ bytes: UnsafeRawBufferPointer) throws(SpliceSectionError) {
        guard bytes.count >= 3 else { throw .truncated }
        guard bytes[0] == Self.tableID else { throw .unsupported }
        let size = 3 + Int(bytes.bigEndian16(at: 1) & 0x0FFF)
        // Up to the command, the length of the descriptors, and the checksum; and not more than a section may have.
        guard size >= 20, size <= SectionAssembler.largest else { throw .malformed }
        guard size <= bytes.count else { throw .truncated }
        let section = bytes.part(0..<size)
        guard SectionChecksum.holds(for: section) else { throw .corrupt }
        guard section[3] == 0 else { throw .unsupported }
        do throws(BitstreamError) {
            try self.init(body: section.part(4..<size - 4))
        } catch {
            throw .malformed
        }
    }

    /// - Parameter body: from encrypted_packet to before the checksum.
    private init(body: UnsafeRawBufferPointer) throws(BitstreamError) {
        var bits = BitReader(body)
        let isEncrypted = try bits.flag()
        // encryption_algorithm.
        try bits.skip(6)
        ptsAdjustment = try bits.ticks()
        // cw_index.
        try bits.skip(8)
        tier = UInt16(try bits.bits(12))
        let commandLength = Int(try bits.bits(12))
        descriptors = []
        if isEncrypted {
            command = .encrypted
            return
        }
        var bytes = ByteReader(body.part(9..<body.count))
        let type = try bytes.byte()
        let rest = body.part(10..<body.count)
        // Former editions let the length be unknown; the command tells its own then.
        let isLengthKnown = commandLength != 0xFFF
        guard !isLengthKnown || commandLength <= rest.count else { throw .truncated }
        var reader = BitReader(isLengthKnown ? rest.part(0..<commandLength) : rest)
        var read = 0
        switch type {
        case 0x00: command = .null
        case 0x05: command = .insert(try SpliceInsert(&reader, &read))
        case 0x06: command = .timeSignal(ticks: try reader.spliceTime(&read))
        default:
            command = .other(type: type)
            // Where it ends cannot be known.
            guard isLengthKnown else { return }
        }
        _ = try bytes.take(isLengthKnown ? commandLength : read)
        let loopLength = Int(try bytes.number(2))
        descriptors = try SpliceDescriptor.list(in: try bytes.take(loopLength))
    }
}

extension BitReader {
    /// 33 bits.
    fileprivate mutating func ticks() throws(BitstreamError) -> UInt64 {
        let high = UInt64(try bits(1))
        return high << 32 | UInt64(try bits(32))
    }

    /// splice_time (section 9.8.1); nil where no time is specified.
    ///
    /// - Parameter read: goes up by the bytes that it took.
    fileprivate mutating func spliceTime(_ read: inout Int) throws(BitstreamError) -> UInt64? {
        guard try flag() else {
            try skip(7)
            read += 1
            return nil
        }
        try skip(6)
        read += 5
        return try ticks()
    }
}

extension SpliceInsert {
    fileprivate init(_ reader: inout BitReader, _ read: inout Int) throws(BitstreamError) {
        event = try reader.bits(32)
        let isCancelled = try reader.flag()
        try reader.skip(7)
        read += 5
        if isCancelled {
            splice = nil
            return
        }
        let isOut = try reader.flag()
        let isProgram = try reader.flag()
        let hasDuration = try reader.flag()
        let isImmediate = try reader.flag()
        try reader.skip(4)
        read += 1
        var place = Place.immediate
        if isProgram {
            if !isImmediate { place = .program(ticks: try reader.spliceTime(&read)) }
        } else {
            let count = Int(try reader.bits(8))
            read += 1
            guard count <= SpliceInfoSection.mostItems else { throw .outOfRange }
            var components: [Component] = []
            for _ in 0..<count {
                let tag = UInt8(try reader.bits(8))
                read += 1
                components.append(Component(tag: tag, ticks: isImmediate ? nil : try reader.spliceTime(&read)))
            }
            place = .components(components)
        }
        var duration: Break?
        if hasDuration {
            let returns = try reader.flag()
            try reader.skip(6)
            duration = Break(returns: returns, ticks: try reader.ticks())
            read += 5
        }
        splice = Splice(
            isOut: isOut, place: place, duration: duration, programID: UInt16(try reader.bits(16)),
            avail: UInt8(try reader.bits(8)), availsExpected: UInt8(try reader.bits(8)))
        read += 4
    }
}

extension SpliceDescriptor {
    /// One that breaks its own rules is taken for one of others; one that leaves the loop breaks the message.
    fileprivate static func list(in loop: UnsafeRawBufferPointer) throws(BitstreamError) -> [SpliceDescriptor] {
        var reader = ByteReader(loop)
        var list: [SpliceDescriptor] = []
        while reader.remaining > 0 {
            guard list.count < SpliceInfoSection.mostItems else { throw .outOfRange }
            let tag = try reader.byte()
            let length = Int(try reader.byte())
            let body = try reader.take(length)
            list.append((try? SpliceDescriptor(tag: tag, body: body)) ?? .other(tag: tag))
        }
        return list
    }

    private init(tag: UInt8, body: UnsafeRawBufferPointer) throws(BitstreamError) {
        var reader = BitReader(body)
        guard try reader.bits(32) == SpliceInfoSection.identifier else {
            self = .other(tag: tag)
            return
        }
        switch tag {
        case 0x00: self = .avail(try reader.bits(32))
        case 0x02: self = .segmentation(try SegmentationDescriptor(&reader))
        default: self = .other(tag: tag)
        }
    }
}

extension SegmentationDescriptor {
    fileprivate init(_ reader: inout BitReader) throws(BitstreamError) {
        event = try reader.bits(32)
        let isCancelled = try reader.flag()
        try reader.skip(7)
        if isCancelled {
            segment = nil
            return
        }
        let isProgram = try reader.flag()
        let hasDuration = try reader.flag()
        let isUnrestricted = try reader.flag()
        let restrictions = UInt8(try reader.bits(5))
        var components: [Segment.Component]?
        if !isProgram {
            let count = Int(try reader.bits(8))
            // Six bytes each, of at most 255.
            guard count <= 42 else { throw .outOfRange }
            var list: [Segment.Component] = []
            for _ in 0..<count {
                let tag = UInt8(try reader.bits(8))
                try reader.skip(7)
                list.append(Segment.Component(tag: tag, offset: try reader.ticks()))
            }
            components = list
        }
        var ticks: UInt64?
        if hasDuration {
            let high = UInt64(try reader.bits(8))
            ticks = high << 32 | UInt64(try reader.bits(32))
        }
        let upidType = UInt8(try reader.bits(8))
        var upid: [UInt8] = []
        for _ in 0..<(try reader.bits(8)) { upid.append(UInt8(try reader.bits(8))) }
        let kind = Kind(rawValue: UInt8(try reader.bits(8)))
        let number = UInt8(try reader.bits(8))
        let expected = UInt8(try reader.bits(8))
        // Only some kinds have these, and only since 2017; those who have, write both.
        let subNumber = (try? reader.bits(8)).map { UInt8($0) }
        let subExpected = (try? reader.bits(8)).map { UInt8($0) }
        segment = Segment(
            kind: kind, components: components, ticks: ticks, restrictions: isUnrestricted ? nil : restrictions,
            upidType: upidType, upid: upid, number: number, expected: expected,
            subNumber: subExpected == nil ? nil : subNumber, subExpected: subExpected)
    }
}
