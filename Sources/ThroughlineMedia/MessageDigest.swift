internal import CFFmpeg

/// The digests of libavutil.
package enum MessageDigest {
    /// In lower-case hexadecimal.
    ///
    /// - Parameter algorithm: libavutil's name: `MD5`, `SHA256`.
    package static func hexadecimal(_ algorithm: String, of bytes: [UInt8]) throws(MediaError) -> String {
        var handle: OpaquePointer?
        try check(av_hash_alloc(&handle, algorithm), "find the digest \(algorithm)")
        defer { av_hash_freep(&handle) }
        av_hash_init(handle)
        bytes.withUnsafeBufferPointer { av_hash_update(handle, $0.baseAddress, $0.count) }
        var text = [UInt8](repeating: 0, count: 2 * Int(AV_HASH_MAX_SIZE) + 4)
        av_hash_final_hex(handle, &text, Int32(text.count))
        return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    }
}
