/// Takes the payload of RTP packets apart into NAL units and parts of them, in place: H.264 (RFC 6184 sections 5.6 to 5.8,
/// without interleaving) and HEVC (RFC 7798 sections 4.4.1 to 4.4.3).
///
/// Nothing is kept from one packet to the next: whether the fragments of a unit are all there is for whoever puts them
/// together.
package struct NALUnpacker: Hashable, Sendable {
    /// A NAL unit, or the part of one that a packet carries.
    package struct Piece: Sendable {
        /// How it begins.
        package var start: PieceStart
        /// The header of the unit, where the packet has another in its place: it stands before the bytes of `range`. Nil
        /// where `range` has it, or the piece is a later fragment.
        package var header: (UInt8, UInt8?)?
        /// Bytes of the payload.
        package var range: Range<Int>
    }

    private let codec: VideoCodec
    /// Decoding order numbers stand before the units (RFC 7798 section 7.1, `sprop-max-don-diff`).
    private let hasOrderNumbers: Bool

    /// - Parameter parameters: the value of `a=fmtp` without the payload type.
    package init(_ codec: VideoCodec, parameters: String?) {
        self.codec = codec
        let limits = ["sprop-max-don-diff", "sprop-depack-buf-nalus"]
        hasOrderNumbers =
            codec == .hevc && limits.contains { (FormatParameters(parameters).number($0) ?? 0) > 0 }
    }

    /// Calls `body` with each piece of a payload, in order.
    ///
    /// - Returns: false where the payload is not in good order, or of a kind that is not taken apart; pieces before that
    ///   have been given.
    package func unpack(_ payload: UnsafeRawBufferPointer, _ body: (Piece) -> Void) -> Bool {
        switch codec {
        case .h264: unpackH264(payload, body)
        case .hevc: unpackHEVC(payload, body)
        }
    }

    private func unit(_ range: Range<Int>, of payload: UnsafeRawBufferPointer) -> Piece {
        Piece(start: PieceStart(unit: payload.part(range), codec: codec), header: nil, range: range)
    }

    // MARK: - H.264

    private func unpackH264(_ payload: UnsafeRawBufferPointer, _ body: (Piece) -> Void) -> Bool {
        guard let first = payload.first else { return false }
        switch first & 0x1F {
        case 0...23:
            body(unit(0..<payload.count, of: payload))
            return true
        case 24:  // STAP-A
            return unpackUnits(payload, from: 1, skippingFirst: 0, skippingNext: 0, body)
        case 28:  // FU-A
            guard payload.count > 2 else { return false }
            let header = first & 0xE0 | payload[1] & 0x1F
            body(fragment(payload, from: 2, begins: payload[1] & 0x80 != 0, header: (header, nil)))
            return true
        default: return false
        }
    }

    // MARK: - HEVC

    private func unpackHEVC(_ payload: UnsafeRawBufferPointer, _ body: (Piece) -> Void) -> Bool {
        // The lowest bits of the second byte are never 0.
        guard payload.count > 2, payload[0] & 0x80 == 0, payload[1] & 0x07 != 0 else { return false }
        switch payload[0] >> 1 {
        case 0...47:
            guard hasOrderNumbers else {
                body(unit(0..<payload.count, of: payload))
                return true
            }
            guard payload.count > 4 else { return false }
            body(fragment(payload, from: 4, begins: true, header: (payload[0], payload[1])))
            return true
        case 48:  // Aggregation packet
            return unpackUnits(
                payload, from: 2, skippingFirst: hasOrderNumbers ? 2 : 0, skippingNext: hasOrderNumbers ? 1 : 0, body)
        case 49:  // Fragmentation unit
            let begins = payload[2] & 0x80 != 0
            let start = 3 + (begins && hasOrderNumbers ? 2 : 0)
            guard payload.count > start else { return false }
            let first = payload[0] & 0x81 | (payload[2] & 0x3F) << 1
            body(fragment(payload, from: start, begins: begins, header: (first, payload[1])))
            return true
        default: return false
        }
    }

    // MARK: - Both

    /// Units one after the other, each behind its length of 16 bits.
    private func unpackUnits(
        _ payload: UnsafeRawBufferPointer, from start: Int, skippingFirst: Int, skippingNext: Int,
        _ body: (Piece) -> Void
    ) -> Bool {
        var offset = start + skippingFirst
        guard offset < payload.count else { return false }
        while offset < payload.count {
            guard payload.count - offset >= 2 else { return false }
            let length = Int(payload.bigEndian16(at: offset))
            offset += 2
            guard length <= payload.count - offset else { return false }
            if length > 0 { body(unit(offset..<offset + length, of: payload)) }
            offset += length
            if offset < payload.count { offset += skippingNext }
        }
        return true
    }

    private func fragment(
        _ payload: UnsafeRawBufferPointer, from start: Int, begins: Bool, header: (UInt8, UInt8?)
    ) -> Piece {
        guard begins else { return Piece(start: .fragment, header: nil, range: start..<payload.count) }
        // As much of the unit as tells how it begins.
        let next = payload[start]
        let kind: PieceStart
        if let second = header.1 {
            kind = withUnsafeBytes(of: (header.0, second, next)) { PieceStart(unit: $0, codec: codec) }
        } else {
            kind = withUnsafeBytes(of: (header.0, next)) { PieceStart(unit: $0, codec: codec) }
        }
        return Piece(start: kind, header: header, range: start..<payload.count)
    }
}
