// Compiled into the module under test by `Tests/Fuzzing/run`, and so without an import of it.

import ThroughlineCore

/// A playlist that may take variables from a query, and from the playlist that led to it.
func fuzzPlaylist(_ bytes: UnsafeRawBufferPointer) {
    let text = Array(bytes)
    let playlist: HLSPlaylist
    do throws(HLSPlaylistError) {
        playlist = try HLSPlaylist(text, url: "http://a/b?c=d", imported: ["a": "b"])
    } catch {
        precondition(error.line >= 1 && error.line <= text.count + 1 && !error.reason.isEmpty)
        return
    }
    switch playlist {
    case .media(let media):
        precondition(media.segments.count <= text.count && media.duration >= .zero)
        for segment in media.segments {
            precondition(segment.duration >= .zero && segment.line <= text.count + 1)
            if let range = segment.range { precondition(range.lowerBound >= 0) }
            for key in segment.keys {
                if let vector = key.initializationVector { precondition(vector.count == 16) }
            }
        }
    case .multivariant(let multivariant):
        precondition(multivariant.variants.count + multivariant.renditions.count <= text.count)
        for variant in multivariant.variants { precondition(variant.bandwidth >= 0) }
    }
}
