// Compiled into the module under test by `Tests/Fuzzing/run`, and so without an import of it.

import ThroughlineCore

/// A flow of datagrams: what comes out of the reorder buffer is in order, and packets and losses add up.
///
/// The first byte chooses the window, and whether there is a twin; then each packet has its length, the time since the one
/// before, whether the twin sent it, and its bytes.
func fuzzRTP(_ bytes: UnsafeRawBufferPointer) {
    guard let seed = bytes.first else { return }
    var buffer = RTPReorderBuffer(policy: .init(patience: .milliseconds(50), window: Int(seed)))
    if seed & 1 != 0 { buffer.join(.init(byteLimit: 1 << 16, proofs: 2)) }
    var statistics = RTPReceptionStatistics(clockRateHz: 90_000, probation: Int(seed & 3))
    var timeline = RTPTimeline(clockRateHz: 90_000, start: .init(range: .zero, rtpTime: UInt32(seed)))
    var keeper = PositionKeeper()
    keeper.adjusted(
        .play(from: .zero, bandwidth: .media(bitsPerSecond: 1 + Int64(seed) << 8)), at: Instant(nanoseconds: 0))
    var now = Instant(nanoseconds: 0)
    var next: UInt16?
    var (arrived, delivered) = (0, 0)

    func took(_ output: RTPReorderBuffer.Output) {
        switch output {
        case .packet(let packet), .filled(let packet):
            guard let header = RTPHeader(packet) else { fatalError("what came out is no packet") }
            precondition(
                next == nil || next == header.sequence, "\(header.sequence) is not \(String(describing: next))")
            next = header.sequence &+ 1
            if case .packet = output { delivered += 1 }
            let reading = timeline?.arrived(
                timestamp: header.timestamp, ssrc: header.ssrc, endsUnit: header.marker, at: now)
            _ = keeper.received(
                pts: reading?.npt, payload: header.payload.count, overhead: header.overhead, at: now)
        case .lost(let count):
            precondition(count > 0)
            next = next.map { $0 &+ UInt16(truncatingIfNeeded: count) }
        case .restarted: next = nil
        }
    }

    var rest = bytes.dropFirst()
    while rest.count >= 2 {
        let length = Int(rest[rest.startIndex])
        let isTwin = rest[rest.startIndex + 1] & 0x80 != 0
        now = now + .milliseconds(Int64(rest[rest.startIndex + 1] & 0x7F))
        rest = rest.dropFirst(2)
        let packet = UnsafeRawBufferPointer(rebasing: rest.prefix(length))
        rest = rest.dropFirst(length)
        guard MuxedPacketKind(packet) == .rtp, let header = RTPHeader(packet) else { continue }
        precondition(header.overhead + header.payload.count == packet.count)
        buffer.expire(at: now, deliver: took)
        if isTwin {
            buffer.twinReceived(packet, arrival: now, at: now, deliver: took)
            precondition(buffer.deadline > now && buffer.takeTwinFindings().count <= 16)
            continue
        }
        buffer.arrived(packet, sequence: header.sequence, at: now, deliver: took)
        arrived += 1
        precondition(buffer.deadline > now)
        statistics.received(header, at: now)
        precondition(statistics.duplicates + statistics.reordered <= statistics.received)
        _ = statistics.reportBlock(at: now)
        _ = keeper.position(at: now)
    }
    buffer.flush(deliver: took)
    let dropped = buffer.duplicates + buffer.tooLate + buffer.strays
    // One stray may be held still.
    precondition(arrived - delivered - dropped == 0 || arrived - delivered - dropped == 1)
}

/// A compound is read within its bounds, and what is written is read back as the same.
func fuzzRTCP(_ bytes: UnsafeRawBufferPointer) {
    for reduced in [false, true] {
        guard let packets = RTCPPacket.parse(bytes, reduced: reduced) else { continue }
        precondition(packets.count <= RTCPPacket.mostPackets)
        let written = RTCPPacket.compound(packets)
        precondition(written.count % 4 == 0)
        // Text that is no UTF-8 is longer when written, so that its end may be cut off: compared from the second time.
        let again = written.withUnsafeBytes { RTCPPacket.parse($0, reduced: true) } ?? []
        precondition(again.count == packets.count)
        let last = RTCPPacket.compound(again).withUnsafeBytes { RTCPPacket.parse($0, reduced: true) } ?? []
        precondition(last.count == again.count)
        for (packet, second) in zip(packets, again) {
            switch packet {
            case .sourceDescription, .bye: break
            default: precondition(packet == second, "\(second) is not \(packet)")
            }
        }
    }
}
