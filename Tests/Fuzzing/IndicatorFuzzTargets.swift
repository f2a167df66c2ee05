// Compiled into the module under test by `Tests/Fuzzing/run`, and so without an import of it.

import ThroughlineCore

/// A message is read back from binary and from text, and comes out of a unit of both codecs and of both framings.
private func checkMessage(_ message: IndicatorMessage) {
    precondition(message.bytes.withUnsafeBytes { IndicatorMessage($0) } == message)
    precondition(IndicatorMessage(text: message.text) == message, message.text)
    let carried = UserDataMessage(message)
    for codec in VideoCodec.allCases {
        let unit = [0, 0, 1] + carried.unit(codec)
        let found = unit.withUnsafeBytes { UserDataMessage.messages(in: $0, codec: codec, framing: .startCodes) }
        precondition(found == [carried], "\(found)")
    }
}

/// The first byte chooses codec and framing; the rest is an access unit, a message, and a message as text.
func fuzzUserData(_ bytes: UnsafeRawBufferPointer) {
    guard let seed = bytes.first else { return }
    let rest = bytes.part(1..<bytes.count)
    let codec: VideoCodec = seed & 1 == 0 ? .h264 : .hevc
    let framing: NALUnitIterator.Framing =
        seed & 2 == 0 ? .startCodes : .lengthPrefixes(size: 1 + Int(seed >> 2) % 4)
    for name in [UserDataMessage.indicatorName, Array(rest.suffix(16))] where name.count == 16 {
        let messages = UserDataMessage.messages(named: name, in: rest, codec: codec, framing: framing)
        precondition(messages.count <= UserDataMessage.mostMessages)
        for message in messages { precondition(message.data.count <= UserDataMessage.longestData) }
    }
    guard let message = UserDataMessage(name: UserDataMessage.indicatorName, data: Array(rest.prefix(4096))) else {
        fatalError("it fits")
    }
    let before = UserDataMessage.messages(in: rest, codec: codec, framing: framing)
    if let written = message.inserted(into: rest, codec: codec, framing: framing), before.count < 200 {
        let after = written.withUnsafeBytes { UserDataMessage.messages(in: $0, codec: codec, framing: framing) }
        // So many others may be there that it is not reached.
        precondition(after.contains(message) || rest.count > 256)
    }
    if let message = IndicatorMessage(rest) { checkMessage(message) }
    if let message = IndicatorMessage(text: String(decoding: rest, as: UTF8.self)) { checkMessage(message) }
}

/// What is read is read back when it can be written.
func fuzzID3(_ bytes: UnsafeRawBufferPointer) {
    let tags = ID3Tag.tags(in: bytes)
    precondition(tags.count <= 16)
    for tag in tags {
        precondition(tag.frames.count <= ID3Tag.mostFrames)
        _ = tag.transportStreamTimestamp
        for message in tag.indicatorMessages { checkMessage(message) }
        if let written = tag.bytes {
            precondition(written.withUnsafeBytes { ID3Tag.tags(in: $0) } == [tag])
        }
    }
}

/// However the bytes are cut, the same tags are found.
func fuzzPackedAudio(_ bytes: UnsafeRawBufferPointer) {
    guard let seed = bytes.first else { return }
    let stream = bytes.part(1..<bytes.count)
    func scan(_ size: Int) -> ([PackedAudioScanner.Finding], Int64, MediaTime) {
        var scanner = PackedAudioScanner()
        var found: [PackedAudioScanner.Finding] = []
        for start in stride(from: 0, to: stream.count, by: size) {
            found += scanner.feed(stream.part(start..<min(start + size, stream.count)))
        }
        precondition(scanner.offset == stream.count && scanner.strayBytes <= scanner.offset)
        return (found, scanner.strayBytes, scanner.time)
    }
    precondition(scan(max(1, stream.count)) == scan(1 + Int(seed) % 40))
}

/// The bytes as they are, and as the inside of a section whose checksum holds.
func fuzzSplice(_ bytes: UnsafeRawBufferPointer) {
    _ = try? SpliceInfoSection(bytes)
    guard bytes.count < 4000 else { return }
    let whole = fuzzedSection(tableID: 0xFC, flags: 0x3000, bytes)
    guard let section = try? whole.withUnsafeBytes({ try SpliceInfoSection($0) }) else { return }
    for indicator in section.indicators {
        if case .clock(let ticks) = indicator.position { precondition(ticks < StreamClock.turn) }
    }
    guard let written = section.bytes else { return }
    let again = try? written.withUnsafeBytes { try SpliceInfoSection($0) }
    precondition(again == section, "\(String(describing: again)) is not \(section)")
}

private func fuzzedSection(tableID: UInt8, flags: UInt64, _ body: some Collection<UInt8>) -> [UInt8] {
    var section = [tableID]
    section.append(bigEndian: flags | UInt64(body.count + 4), count: 2)
    section += body
    SectionChecksum.append(to: &section)
    return section
}

/// However a stream is cut, the same events come out.
///
/// With a first byte that is odd the rest is a stream; else it says what packets to make: a byte that chooses the PID
/// and the flags, one for the length, then the payload, which becomes the inside of a table with a checksum that holds
/// where that is asked for.
func fuzzTransport(_ bytes: UnsafeRawBufferPointer) {
    guard let seed = bytes.first else { return }
    let rest = bytes.part(1..<bytes.count)
    let stream = seed & 1 == 1 ? Array(rest) : composedStream(rest)
    func scan(_ size: Int) -> ([TransportScanner.Event], Int64) {
        var scanner = TransportScanner()
        scanner.watchUnits(of: 0x104)
        var events: [TransportScanner.Event] = []
        stream.withUnsafeBytes { stream in
            for start in stride(from: 0, to: stream.count, by: size) {
                scanner.feed(stream.part(start..<min(start + size, stream.count))) { events.append($0) }
            }
        }
        scanner.finish { events.append($0) }
        precondition(scanner.maps.count <= ProgramAssociation.mostPrograms)
        precondition(scanner.strayBytes <= stream.count)
        return (events, scanner.strayBytes)
    }
    let whole = scan(max(1, stream.count))
    precondition(whole == scan(1 + Int(seed >> 1) * 5))
    for event in whole.0 {
        for indicator in event.indicators {
            if case .clock(let ticks) = indicator.position { precondition(ticks < StreamClock.turn) }
        }
    }
}

private func composedStream(_ script: UnsafeRawBufferPointer) -> [UInt8] {
    var stream: [UInt8] = []
    var counters: [UInt16: UInt8] = [:]
    func packet(_ pid: UInt16, _ payload: [UInt8], control: UInt8) {
        let counter = (counters[pid] ?? 0) &+ (control & 0x40 != 0 ? 2 : 1)
        counters[pid] = counter
        let room = 184 - payload.count
        stream += [0x47, (control & 0x08 != 0 ? 0x40 : 0) | UInt8(pid >> 8), UInt8(pid & 0xFF)]
        stream.append((room > 0 ? 0x30 : 0x10) | counter & 0x0F)
        if room > 0 { stream.append(UInt8(room - 1)) }
        if room > 1 {
            // With a clock where there is room, in which any bytes are one.
            stream.append((control & 0x10 != 0 ? 0x80 : 0) | (room > 8 && control & 0x20 != 0 ? 0x10 : 0))
            stream += Array(repeating: control, count: room - 2)
        }
        stream += payload
    }
    let association = fuzzedSection(tableID: 0, flags: 0xB000, [0, 1, 0xC1, 0, 0, 0, 1, 0xF0, 0])
    packet(0, [0] + association, control: 0x08)
    let map: [UInt8] = [
        0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0, 0x1B, 0xE1, 0, 0xF0, 0, 0x15, 0xE1, 2, 0xF0, 0, 0x86, 0xE1, 3, 0xF0, 0,
    ]
    packet(0x1000, [0] + fuzzedSection(tableID: 2, flags: 0xB000, map), control: 0x08)
    var rest = script[...]
    while stream.count < 1 << 14, let control = rest.popFirst(), let length = rest.popFirst() {
        let pid: UInt16 = [0, 0x1000, 0x100, 0x101, 0x102, 0x103, 0x104, 0x1001][Int(control & 7)]
        var payload = Array(rest.prefix(Int(length) % 170))
        rest = rest.dropFirst(payload.count)
        if control & 0x80 != 0 {
            payload = [0] + fuzzedSection(tableID: pid == 0 ? 0 : pid == 0x103 ? 0xFC : 2, flags: 0xB000, payload)
        }
        packet(pid, payload, control: control)
    }
    return stream
}
