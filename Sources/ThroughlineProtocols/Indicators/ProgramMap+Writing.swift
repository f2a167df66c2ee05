extension ProgramMap {
    /// The map as one section, for tests and for the lab.
    package var section: [UInt8] {
        var body: [UInt8] = []
        body.append(bigEndian: 0xE000 | UInt64(clockPID), count: 2)
        body.append(bigEndian: 0xF000 | UInt64(descriptors.count), count: 2)
        body += descriptors
        for flow in flows {
            body.append(flow.streamType)
            body.append(bigEndian: 0xE000 | UInt64(flow.pid), count: 2)
            body.append(bigEndian: 0xF000 | UInt64(flow.descriptors.count), count: 2)
            body += flow.descriptors
        }
        var section = [Self.tableID]
        section.append(bigEndian: 0xB000 | UInt64(body.count + 9), count: 2)
        section.append(bigEndian: UInt64(program), count: 2)
        section += [0xC1 | version << 1, 0, 0]
        section += body
        SectionChecksum.append(to: &section)
        return section
    }
}
