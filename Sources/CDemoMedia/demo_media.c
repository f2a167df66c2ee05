#include "demo_media.h"

// C23; clang has it in every mode from version 19 on.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char film[] = {
#embed "../../Fixtures/main-faststart.mp4"
};

const unsigned char *tl_demo_film(void) { return film; }
size_t tl_demo_film_length(void) { return sizeof film; }
