#ifndef THROUGHLINE_DEMO_MEDIA_H
#define THROUGHLINE_DEMO_MEDIA_H

#include <stddef.h>

/// The film of the demo, `Fixtures/main-faststart.mp4`, inside the binary.
const unsigned char *tl_demo_film(void);
/// Its length in bytes.
size_t tl_demo_film_length(void);

#endif
