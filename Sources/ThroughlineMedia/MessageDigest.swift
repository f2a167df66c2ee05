internal import CFFmpeg

/// Digests of libavutil, for authentication.
package enum MessageDigest {
    /// - Parameter algorithm: as HTTP and RTSP name it: `MD5`, `SHA-256`, `SHA-512-256`.
    /// - Returns: lower-case hexadecimal; nil for an algorithm that is not known.
    package static func hex(of bytes: [UInt8], algorithm: String) -> String? {
        let name: String
        switch algorithm.uppercased() {
        case "MD5": name = "MD5"
        case "SHA-256": name = "SHA256"
        case "SHA-512-256": name = "SHA512/256"
        default: return nil
        }
        var context: OpaquePointer?
        guard av_hash_alloc(&context, name) >= 0, let hash = context else { return nil }
        defer { av_hash_freep(&context) }
        av_hash_init(hash)
        bytes.withUnsafeBufferPointer { av_hash_update(hash, $0.baseAddress, $0.count) }
        var text = [UInt8](repeating: 0, count: 2 * Int(AV_HASH_MAX_SIZE) + 1)
        av_hash_final_hex(hash, &text, Int32(text.count))
        return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    }
}
