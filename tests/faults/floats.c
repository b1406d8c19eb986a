/* floats FILE DATASET DIMENSION...: a new HDF5 file with one data set of 32-bit floats, read as
 * text from standard input. */
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  if (argc < 4 || argc > 3 + 8) return 2;
  hsize_t shape[8];
  hsize_t count = 1;
  for (int i = 3; i < argc; ++i) count *= shape[i - 3] = strtoull(argv[i], NULL, 10);
  float* values = malloc(count * sizeof *values);
  if (values == NULL) return 1;
  for (hsize_t i = 0; i < count; ++i) {
    if (scanf("%f", &values[i]) != 1) return 1;
  }
  const hid_t file = H5Fcreate(argv[1], H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  const hid_t space = H5Screate_simple(argc - 3, shape, NULL);
  const hid_t data =
      H5Dcreate2(file, argv[2], H5T_IEEE_F32LE, space, links, H5P_DEFAULT, H5P_DEFAULT);
  const int failed = H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0;
  return failed || H5Dclose(data) < 0 || H5Sclose(space) < 0 || H5Pclose(links) < 0 ||
         H5Fclose(file) < 0;
}
